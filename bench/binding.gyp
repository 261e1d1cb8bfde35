{
  "targets": [
    {
      "target_name": "dgram_dtls_bench",
      "sources": [
        "native/addon.cc",
        "native/bare_keys.cc",
        "native/handshakes.cc",
        "native/many_sessions.cc",
        "native/memory.cc",
        "native/memory_client.cc",
        "native/memory_link.cc",
        "native/receivers.cc",
        "native/senders.cc",
        "native/tls.cc",
        "native/udp.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      # As in ../binding.gyp, OpenSSL is the one that the node executable exports: what is measured
      # against and what is measured run the same code.
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions", "-Wno-unused-parameter"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"]
    }
  ]
}
