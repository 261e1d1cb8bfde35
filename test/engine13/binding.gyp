{
  "targets": [
    {
      "target_name": "engine13_tests",
      "sources": [
        "addon.cc",
        "<!@(node -p \"['../../src-native/core/engine13', '../../src-native/core/identity', '../../src-native/core/wire', '../../src-native/core/base', '../native'].flatMap((d) => fs.readdirSync(d).filter((f) => f.endsWith('.cc') && (d !== '../native' || f.startsWith('engine13_'))).sort().map((f) => d + '/' + f)).join(' ')\")"
      ],
      "include_dirs": ["../../src-native"],
      # As in ../../src-native/addon.gypi, OpenSSL is the one that the node executable exports.
      "defines": ["NAPI_VERSION=8"],
      # doctest ends a test case by an exception.
      "cflags!": ["-fno-exceptions", "-Wno-unused-parameter"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "xcode_settings": {
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "GCC_ENABLE_CPP_RTTI": "YES",
        "CLANG_CXX_LANGUAGE_STANDARD": "c++17"
      }
    }
  ]
}
