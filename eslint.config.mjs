import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['.cache/', 'build*/', 'dist/', 'prebuilds/', 'coverage/'] },
  js.configs.recommended,
  {
    files: ['**/*.{ts,mts,cts}'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      // CommonJS packages that are a function are imported so, where `export =` asks for it.
      '@typescript-eslint/no-require-imports': ['error', { allowAsImport: true }],
      // Ports and sizes belong in messages.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // chai's expect(x).to.be.true is an expression that does its work when read.
      '@typescript-eslint/no-unused-expressions': 'off',
    },
  },
  {
    files: ['test/**/*.test.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'CallExpression[callee.property.name="skip"]',
          message: 'Whoever skips says why: skip() of test/helpers/peers.ts.',
        },
      ],
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    rules: {
      // tsc checks these files too (tsconfig.scripts.json), and it knows Node's names.
      'no-undef': 'off',
    },
  },
  { rules: { eqeqeq: 'error', 'no-console': 'off' } },
);
