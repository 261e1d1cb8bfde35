{ "includes": ["src-native/addon.gypi"] }
