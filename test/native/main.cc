// The C++ tests' entry: doctest finds the TEST_CASEs of every other file linked with this one.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
// A crash is the sanitizers' to report, with its stack.
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS
#include <doctest/doctest.h>
