# How the addon is compiled. binding.gyp, which includes this, lies in the repository and not in the package: where
# a package has one at its root, package managers compile it, or ask whether they may. Paths in lists of paths are
# those from this folder, and commands run in the folder of binding.gyp.
{
  "variables": {
    # 1: AddressSanitizer and UndefinedBehaviorSanitizer (scripts/test-sanitized.mjs).
    "sanitize%": 0,
    # 1: a binary to be given away, for systems older than this one (scripts/prebuild.mjs).
    "portable%": 0,
    # 1: one that uses only what glibc 2.28 has.
    "old_glibc%": 0,
    # The prefix of an OpenSSL to link in place of Node's own.
    "openssl_root": "<!(node -p \"process.env.OPENSSL_ROOT || ''\")"
  },
  "targets": [
    {
      "target_name": "dgram_dtls",
      "sources": [
        "<!@(node -p \"['core', 'io', 'binding'].map((d) => 'src-native/' + d).filter((d) => fs.existsSync(d)).flatMap((d) => fs.readdirSync(d, { recursive: true }).sort().map((f) => d + '/' + f.split(path.sep).join('/'))).filter((f) => f.endsWith('.cc')).join(' ')\")"
      ],
      "include_dirs": [".", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        # A worker that is being ended can throw no more; without this, trying to would abort.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      # No libssl here, but for OPENSSL_ROOT: the OpenSSL symbols are those that the node executable
      # exports, and their headers come with Node's own, so that both are of the same version.
      "cflags!": ["-Wno-unused-parameter"],
      # Node's newer headers ask for a newer standard; the addon is C++17 on all of them.
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-fvisibility=hidden"],
      "conditions": [
        ["OS=='linux'", {
          # OpenSSL calls its providers, of which the core has some, when threads end: a worker's end
          # must not take the code away.
          "ldflags": ["-Wl,-z,nodelete"]
        }],
        ["OS=='mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "CLANG_CXX_LIBRARY": "libc++",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "11.0",
            "WARNING_CFLAGS": ["-Wall", "-Wextra", "-Wpedantic"]
          }
        }],
        ["OS=='win'", {
          "defines": ["NOMINMAX", "WIN32_LEAN_AND_MEAN"],
          "libraries": ["ws2_32.lib"],
          "msvs_settings": {
            "VCCLCompilerTool": {
              "WarningLevel": 4,
              "AdditionalOptions": ["/std:c++17"]
            }
          }
        }],
        ["portable==1 and OS=='linux'", {
          "cflags!": ["-O3"],
          # The work is done in OpenSSL and in the kernel; -O3 makes the binary half as large again.
          "cflags": ["-Os", "-ffunction-sections", "-fdata-sections"],
          "ldflags": [
            "-static-libstdc++", "-static-libgcc", "-Wl,--gc-sections",
            "-Wl,--version-script=<(module_root_dir)/src-native/exports.map"
          ]
        }],
        ["old_glibc==1", {
          "defines": ["DTLS_OLD_GLIBC"]
        }],
        ["openssl_root!=''", {
          "defines": ["DTLS_STATIC_OPENSSL"],
          # Before Node's own headers.
          "include_dirs+": ["<!(node scripts/openssl-root.cjs include)"],
          "libraries": ["<!@(node scripts/openssl-root.cjs libraries)"],
          "conditions": [
            ["OS=='linux'", {
              # Node exports the same names: nothing in here may be bound to those, nor be seen.
              # OpenSSL's own clean-up runs at the end of the process: the code must still be there.
              "ldflags": [
                "-Wl,--exclude-libs,ALL", "-Wl,-Bsymbolic", "-Wl,-z,nodelete",
                "-Wl,--version-script=<(module_root_dir)/src-native/exports.map"
              ]
            }],
            ["OS=='mac'", {
              "xcode_settings": {
                "OTHER_LDFLAGS": [
                  "-Wl,-exported_symbol,_napi_register_module_v1",
                  "-Wl,-exported_symbol,_node_api_module_get_api_version_v1"
                ]
              }
            }]
          ]
        }],
        ["sanitize==1", {
          "cflags!": ["-O3", "-fomit-frame-pointer"],
          # vptr needs the RTTI that Node's flags turn off.
          "cflags_cc": [
            "-fsanitize=address,undefined", "-fno-sanitize=vptr", "-fno-sanitize-recover=all",
            "-fno-omit-frame-pointer", "-O1", "-g"
          ],
          "ldflags": ["-fsanitize=address,undefined"]
        }]
      ]
    }
  ]
}
