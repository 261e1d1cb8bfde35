import { native } from './native';

/** What this build can do on the OpenSSL that it runs on. */
export interface Features {
  /** OpenSSL's version. */
  readonly openssl: string;
  /** Protocol versions that can be asked for. */
  readonly versions: readonly string[];
}

export const features: Features = Object.freeze({
  openssl: native.openssl,
  versions: Object.freeze(['DTLSv1', 'DTLSv1.2']),
});
