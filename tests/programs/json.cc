// json.cc -- a large source in C++: every member of basic_json is compiled.
#include <nlohmann/json.hpp>

template class nlohmann::basic_json<>;
