// The C++ tests' entry: doctest finds the TEST_CASEs of every other file linked with this one.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
