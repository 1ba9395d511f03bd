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

// Those of the files that this user cannot read, and why, one a line; empty: he can read all. Only root can
// tell, and of a user that there is not, nobody.
std::string unreadable_for(const std::string& user, const std::vector<std::string>& files);
bool is_user(const std::string& name);

}  // namespace stox::service
