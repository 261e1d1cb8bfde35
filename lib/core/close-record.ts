/** How a session ended, as the core says it. The words for it are in failures.ts, which most programs never need. */
import { fieldOf, isSet, NO_ALERT, RecordField } from './record-fields';

/** What a CLOSE record says. */
export interface CloseRecord {
  kind: number;
  alert: number | undefined;
  verifyResult: number;
  /** A client gave no certificate when the server asked for one, and the server ended it in a way that may mean that. */
  certificateWithheld: boolean;
  completedHandshake: boolean;
  reason: string;
  library: string;
  detail: string;
  openssl: string;
}

/** Reads a CLOSE record as src-native/core/session/session.cc, emit_close, writes it. */
export function readCloseRecord(kind: number, packed: number, text: string): CloseRecord {
  const [reason = '', library = '', detail = '', openssl = ''] = text.split('\0');
  const alert = fieldOf(packed, RecordField.CloseAlert);
  return {
    kind,
    alert: alert === NO_ALERT ? undefined : alert,
    verifyResult: fieldOf(packed, RecordField.CloseVerifyResult),
    certificateWithheld: isSet(packed, RecordField.CloseCertificateWithheld),
    completedHandshake: isSet(packed, RecordField.CloseCompletedHandshake),
    reason,
    library,
    detail,
    openssl,
  };
}
