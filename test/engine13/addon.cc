// The C++ tests of core/engine13 as an addon: the OpenSSL that has what the engine needs is the one
// in the Node executable, and test/native runs against the system's.
#define DOCTEST_CONFIG_IMPLEMENT
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS
#include <doctest/doctest.h>
#include <node_api.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <vector>

#include "core/engine13/engine.h"

namespace {

napi_value text(napi_env env, const std::string& value) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

// missing(): why there is no engine; empty when there is one.
napi_value missing(napi_env env, napi_callback_info /*info*/) {
  return text(env, dtls::engine_support().missing);
}

struct Run {
  std::string output;
  int status = 0;
};

Run run(const std::vector<std::string>& arguments) {
  std::ostringstream output;
  std::vector<const char*> argv = {"engine13"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  doctest::Context context(static_cast<int>(argv.size()), argv.data());
  context.setCout(&output);
  const int status = context.run();
  return {output.str(), status};
}

// cases(): their names, one a line.
napi_value cases(napi_env env, napi_callback_info /*info*/) {
  return text(env, run({"--list-test-cases", "--no-version", "--no-colors"}).output);
}

// run(name): what doctest says of the case of that name; empty when it passes.
napi_value run_case(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  std::array<char, 512> name{};
  size_t size = 0;
  napi_get_value_string_utf8(env, argument, name.data(), name.size(), &size);
  std::string filter = std::string("--test-case=") + name.data();
  for (size_t at = filter.find(','); at != std::string::npos; at = filter.find(',', at + 2)) {
    filter.insert(at, 1, '\\');  // doctest has lists of names
  }
  const Run result = run({filter, "--no-version", "--no-colors"});
  // One case has run: a name that is none would have run nothing, and failed nothing.
  std::string counts = result.output;
  counts.erase(std::remove(counts.begin(), counts.end(), ' '), counts.end());
  const bool passed =
      result.status == 0 && counts.find("testcases:1|1passed|") != std::string::npos;
  return text(env, passed ? std::string() : result.output);
}

}  // namespace

NAPI_MODULE_INIT() {
  const auto set = [env, exports](const char* name, napi_callback function) {
    napi_value value = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  };
  set("missing", missing);
  set("cases", cases);
  set("run", run_case);
  return exports;
}
