// Result<T>: a value or an Error. Nothing of ours throws; exceptions of libraries end at their wrapper.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace stox {

// What happened, where, and what to do, in words for an operator.
struct Error {
  std::string text;
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> error(std::string text) {
  return tl::make_unexpected(Error{std::move(text)});
}

}  // namespace stox
