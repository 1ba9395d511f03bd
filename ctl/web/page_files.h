// The files of the page, as they are in the folder page: built into the program.
#pragma once

#include <span>
#include <string_view>

namespace stox::ctl::web {

struct PageFile {
  std::string_view name, content;  // name: "page.js"
};

std::span<const PageFile> page_files();

}  // namespace stox::ctl::web
