#include "sip_front/page/taken_requests.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace stox {
namespace {

constexpr uint64_t kVersion = 0x73746f7874616b31;  // "stoxtak1"
constexpr std::size_t kRequests = 262'144;         // 32 s of 8,000 a second
constexpr std::size_t kTargets = 256;
constexpr Duration kCopiesCome = std::chrono::seconds(40);  // Timer F is 32 s

}  // namespace

// As it lies in the file.
struct TakenRequests::File {
  struct Request {
    uint64_t key, epoch, number;
    int64_t taken_us;
  };
  struct Target {
    char name[112];
    uint64_t process_epoch;
    int64_t gone_us;  // 0: present
  };
  uint64_t version, openings, next, targets;
  Target target[kTargets];
  Request request[kRequests];
};

Result<std::unique_ptr<TakenRequests>> TakenRequests::open(const std::string& path, const Clock& clock) {
  std::error_code exists;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), exists);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return error("cannot open " + path + ": " + std::strerror(errno));
  // Room is taken now: memory that the disk has no place for would end the process at its first use.
  const int no_room = posix_fallocate(file, 0, sizeof(File));
  void* const memory =
      no_room != 0 ? MAP_FAILED : mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const int why = no_room != 0 ? no_room : errno;
  close(file);
  if (memory == MAP_FAILED) return error("cannot map " + path + ": " + std::strerror(why));
  return std::unique_ptr<TakenRequests>(new TakenRequests(static_cast<File*>(memory), clock));
}

TakenRequests::TakenRequests(File* file, const Clock& clock) : file_(file), clock_(clock) {
  if (file_->version != kVersion) std::memset(file_, 0, sizeof(File));
  file_->version = kVersion;
  openings_ = static_cast<uint32_t>(++file_->openings);
  const Time now = clock.now();
  for (const File::Request& each : file_->request) {
    const Time taken = from_us(each.taken_us);
    if (each.key != 0 && taken <= now && now - taken < kCopiesCome)
      earlier_[each.key] = {each.epoch, each.number, taken};
  }
}

TakenRequests::~TakenRequests() { munmap(file_, sizeof(File)); }

void TakenRequests::add(uint64_t key, uint64_t epoch, uint64_t number, Time taken) {
  file_->request[file_->next++ % kRequests] = {key, epoch, number, to_us(taken)};
}

const TakenRequests::Earlier* TakenRequests::find(uint64_t key) const {
  const auto found = earlier_.find(key);
  return found != earlier_.end() && clock_.now() - found->second.taken < kCopiesCome ? &found->second
                                                                                     : nullptr;
}

void TakenRequests::set_targets(const std::vector<bus::PossibleTarget>& targets) {
  const std::size_t count = std::min(targets.size(), kTargets);
  for (std::size_t i = 0; i < count; ++i) {
    File::Target& target = file_->target[i];
    target = {};
    targets[i].name.copy(target.name, sizeof target.name - 1);
    target.process_epoch = targets[i].process_epoch;
    target.gone_us = targets[i].present ? 0 : to_us(targets[i].gone_at);
  }
  file_->targets = count;
}

std::vector<bus::PossibleTarget> TakenRequests::targets() const {
  std::vector<bus::PossibleTarget> out;
  for (std::size_t i = 0; i < std::min<std::size_t>(file_->targets, kTargets); ++i) {
    const File::Target& target = file_->target[i];
    out.push_back({std::string(target.name, strnlen(target.name, sizeof target.name)), target.process_epoch,
                   target.gone_us == 0, from_us(target.gone_us)});
  }
  return out;
}

}  // namespace stox
