// Files and folders that others of the host may read or write, and should not.
#pragma once

#include <string>
#include <vector>

namespace stox::service {

// Whether everybody on this host can read a file: its mode lets them, and each folder on the way does.
bool everybody_reads(const std::string& path);

// Of a folder of sockets that is there: why another user could put his own in it, for people; empty: none
// can.
std::string who_else_writes(const std::string& directory);

}  // namespace stox::service
