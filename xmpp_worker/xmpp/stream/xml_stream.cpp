#include "xmpp_worker/xmpp/stream/xml_stream.h"

#include <expat.h>

#include <algorithm>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

// Expat joins namespace and local name with this; it refuses namespaces that contain it.
constexpr char kSeparator = '\n';

// Expat keeps every name it has seen for as long as the parser lives. So a parser is replaced at the end of
// the stanza after this many bytes; that costs some microseconds.
constexpr std::size_t kRenewAfter = 262'144;
// So is one that has grown by a long tag or many elements inside each other: its buffers never shrink.
constexpr std::size_t kLongToken = 16'384, kGreatDepth = 1000;
constexpr std::size_t kBytesOfDepth = 160;  // that the parser keeps for an open element
constexpr std::size_t kBytesOfToken = 4;    // for each of the longest token's: its buffer and its pools

// A token that is longer than this when a fragment ends is kept back until its end is there.
constexpr std::size_t kKeepToken = 4096;
// Fed to the parser at once: its buffer is at least as large, and stays so.
constexpr std::size_t kSlice = 65'536, kSmallSlice = 1'024;
constexpr std::size_t kSmallStanza = 10'000;  // where no larger one may come, slices are small
constexpr std::size_t kHeader = 4'096;        // of a stream, whoever sends it

constexpr std::string_view kNotUtf8("\0\xfe\xff", 3);

std::pair<std::string_view, std::string_view> split(std::string_view name) {
  const auto cut = name.rfind(kSeparator);
  if (cut == std::string_view::npos) return {{}, name};
  return {name.substr(0, cut), name.substr(cut + 1)};
}

bool is_space(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

struct XmlStream::Handlers {
  static XmlStream& self(void* user) { return *static_cast<XmlStream*>(user); }
  static void XMLCALL start(void* user, const char* name, const char** attributes) {
    self(user).start_element(name, attributes);
  }
  static void XMLCALL end(void* user, const char*) { self(user).end_element(); }
  static void XMLCALL text(void* user, const char* bytes, int size) {
    self(user).text({bytes, static_cast<std::size_t>(size)});
  }
  static void XMLCALL passed(void* user) {
    if (!self(user).replaying_) self(user).read_to_ = self(user).event_end();
  }
  static void XMLCALL declaration(void* user, const char* prefix, const char* uri) {
    XmlStream& stream = self(user);
    if (stream.depth_ > 0 || stream.replaying_) return;
    stream.declarations_.emplace_back(prefix ? prefix : "xmlns", uri ? uri : "");
  }
  static void XMLCALL xml_declaration(void* user, const char*, const char* encoding, int) {
    passed(user);
    if (encoding && !ascii_iequal(encoding, "utf-8"))
      self(user).fail("unsupported-encoding", "only UTF-8 is spoken here");
  }
  static void XMLCALL doctype(void* user, const char*, const char*, const char*, int) {
    self(user).fail("restricted-xml", "no document type declarations");
  }
  static void XMLCALL comment(void* user, const char*) { self(user).fail("restricted-xml", "no comments"); }
  static void XMLCALL instruction(void* user, const char*, const char*) {
    self(user).fail("restricted-xml", "no processing instructions");
  }
};

void XmlStream::Free::operator()(XML_ParserStruct* parser) const { XML_ParserFree(parser); }

XmlStream::XmlStream(const XmlLimits& limits, XmlStreamUser& user) : limits_(limits), user_(user) {}
XmlStream::~XmlStream() = default;

void XmlStream::make_parser() {
  parser_.reset(XML_ParserCreateNS("UTF-8", kSeparator));
#ifdef STOX_EXPAT_DEFERS
  // It would keep a whole stanza back until more bytes come; token_ is against the same.
  XML_SetReparseDeferralEnabled(parser_.get(), XML_FALSE);
#endif
  XML_SetUserData(parser_.get(), this);
  XML_SetElementHandler(parser_.get(), Handlers::start, Handlers::end);
  XML_SetCharacterDataHandler(parser_.get(), Handlers::text);
  XML_SetCdataSectionHandler(parser_.get(), Handlers::passed, Handlers::passed);
  XML_SetStartNamespaceDeclHandler(parser_.get(), Handlers::declaration);
  XML_SetXmlDeclHandler(parser_.get(), Handlers::xml_declaration);
  XML_SetStartDoctypeDeclHandler(parser_.get(), Handlers::doctype);
  XML_SetCommentHandler(parser_.get(), Handlers::comment);
  XML_SetProcessingInstructionHandler(parser_.get(), Handlers::instruction);
  depth_ = largest_token_ = largest_depth_ = 0;
}

// Behind the header.
void XmlStream::renew() {
  make_parser();
  next_ = Next::kGoOn;
  replaying_ = true;
  XML_Parse(parser_.get(), header_.data(), static_cast<int>(header_.size()), XML_FALSE);
  replaying_ = false;
  fed_ = child_start_ = read_to_ = header_.size();
}

void XmlStream::restart(const XmlLimits& limits) {
  limits_ = limits;
  if (parsing_) return interrupt(Next::kRestart);
  parser_.reset();
  declarations_.clear();
  tree_.release();
  header_.clear();
  std::string().swap(token_);
  keeps_token_ = cut_ = false;
  depth_ = fed_ = child_start_ = read_to_ = 0;
  next_ = Next::kGoOn;
}

bool XmlStream::rest() {
  const bool is_between_stanzas = depth_ == 1 && fed_ == child_start_ && !keeps_token_;
  if (parsing_ || next_ != Next::kGoOn || !is_between_stanzas || !parser_) return false;
  give_back();
  return true;
}

void XmlStream::give_back() {
  parser_.reset();
  tree_.release();
  std::string().swap(token_);
}

std::size_t XmlStream::held() const {
  const bool is_between_stanzas = depth_ <= 1 && fed_ == child_start_;
  if (is_between_stanzas || !parser_) return token_.size();
  return token_.size() + kBytesOfToken * largest_token_ + kBytesOfDepth * largest_depth_ + tree_.memory();
}

void XmlStream::stop() { interrupt(Next::kStop); }

void XmlStream::interrupt(Next next) {
  next_ = next;
  if (!parsing_) return;
  rest_at_ = event_end();
  XML_StopParser(parser_.get(), XML_FALSE);
}

void XmlStream::fail(std::string_view condition, std::string_view text) {
  if (next_ == Next::kStop) return;
  error_ = {std::string(condition), std::string(text)};
  interrupt(Next::kStop);
}

std::size_t XmlStream::event_end() const {
  return static_cast<std::size_t>(XML_GetCurrentByteIndex(parser_.get())) +
         static_cast<std::size_t>(XML_GetCurrentByteCount(parser_.get()));
}

void XmlStream::feed(std::string_view bytes) {
  while (!bytes.empty() && next_ != Next::kStop) {
    if (!keeps_token_) {
      const bool is_small = limits_.fatal_bytes <= kSmallStanza;
      bytes.remove_prefix(parse(bytes.substr(0, is_small ? kSmallSlice : kSlice)));
      continue;
    }
    const std::size_t end = find_end_of_tag(bytes);
    token_.append(bytes.substr(0, end));
    keeps_token_ = end == std::string_view::npos;
    if (keeps_token_) {
      check_size();
      break;
    }
    bytes.remove_prefix(end);
    const std::string whole = std::exchange(token_, {});
    const std::size_t read = parse(whole);
    feed(std::string_view(whole).substr(read));
  }
  if (next_ != Next::kStop || parsing_) return;
  give_back();
  if (!error_.condition.empty()) {
    const StreamError error = std::exchange(error_, {});
    user_.stream_failed(error);
  }
}

// How much was read.
std::size_t XmlStream::parse(std::string_view slice) {
  // By the first two bytes expat might take it for UTF-16.
  if (fed_ < 2 && slice.substr(0, 2 - fed_).find_first_of(kNotUtf8) != std::string_view::npos) {
    fail("unsupported-encoding", "only UTF-8 is spoken here");
    return slice.size();
  }
  if (!parser_) header_.empty() ? make_parser() : renew();
  const std::size_t fed_before = fed_;
  fed_ += slice.size();
  parsing_ = true;
  const auto status = XML_Parse(parser_.get(), slice.data(), static_cast<int>(slice.size()), XML_FALSE);
  parsing_ = false;
  if (next_ == Next::kStop) return slice.size();
  if (next_ != Next::kGoOn) {
    next_ == Next::kRenew ? renew() : restart(limits_);
    return rest_at_ - fed_before;
  }
  if (status == XML_STATUS_ERROR) {
    fail_by_parser();
  } else {
    check_size();
    look_at_token(slice);
  }
  return slice.size();
}

// What of the slice belongs to a token that has not ended.
void XmlStream::look_at_token(std::string_view slice) {
  const std::size_t size = fed_ - read_to_;
  if (size == 0 || depth_ == 0 || next_ != Next::kGoOn) return;
  largest_token_ = std::max(largest_token_, size);
  const std::size_t here = std::min(size, slice.size());
  slice.remove_prefix(slice.size() - here);
  for (std::size_t at = size - here; at < std::min(size, begin_.size()); ++at)
    begin_[at] = slice[at - (size - here)];
  if (here == size) quote_ = 0;
  (void)find_end_of_tag(slice);
  if (size < kKeepToken) return;
  // Neither a reference nor the begin of a CDATA section is as long.
  if (begin_[0] != '<') return fail("not-well-formed", "a reference without an end");
  if (begin_[1] == '!' || begin_[1] == '?') return fail("restricted-xml", "no comments or instructions");
  keeps_token_ = true;
}

// Behind it; npos: it does not end here.
std::size_t XmlStream::find_end_of_tag(std::string_view bytes) {
  for (std::size_t at = 0;; ++at) {
    at = quote_ != 0 ? bytes.find(quote_, at) : bytes.find_first_of("'\">", at);
    if (at == std::string_view::npos) return at;
    if (bytes[at] == '>' && quote_ == 0) return at + 1;
    quote_ = quote_ != 0 ? '\0' : bytes[at];
  }
}

void XmlStream::fail_by_parser() {
  const XML_Error code = XML_GetErrorCode(parser_.get());
  switch (code) {
    case XML_ERROR_UNDEFINED_ENTITY:
      return fail("restricted-xml", "no entities but the five predefined ones");
    case XML_ERROR_UNKNOWN_ENCODING:
    case XML_ERROR_INCORRECT_ENCODING:
      return fail("unsupported-encoding", "only UTF-8 is spoken here");
    default:
      return fail("not-well-formed", XML_ErrorString(code));
  }
}

void XmlStream::check_size() {
  const std::size_t came = fed_ + token_.size();
  const std::size_t tag = depth_ == 0 ? std::min(limits_.tag_bytes, kHeader) : limits_.tag_bytes;
  if (came - child_start_ > limits_.fatal_bytes || came - read_to_ > tag)
    fail("policy-violation", "stanza too large");
}

void XmlStream::start_header(std::string_view uri, std::string_view local, const char** attributes) {
  if (uri != ns::kStreams) return fail("invalid-namespace", "not a stream of RFC 6120");
  if (local != "stream") return fail("bad-format", "a stream header is expected");
  int offset = 0;
  int size = 0;
  const char* buffer = XML_GetInputContext(parser_.get(), &offset, &size);
  header_.assign(buffer + offset, static_cast<std::size_t>(XML_GetCurrentByteCount(parser_.get())));
  tree_.clear();
  tree_.open(uri, local);
  for (const auto& [prefix, declared] : declarations_) tree_.attribute(ns::kXmlns, prefix, declared);
  for (; *attributes; attributes += 2) {
    const auto [attribute_uri, name] = split(attributes[0]);
    tree_.attribute(attribute_uri, name, attributes[1]);
  }
  child_start_ = read_to_;
  user_.stream_opened(tree_.root());
}

void XmlStream::start_element(const char* full_name, const char** attributes) {
  if (next_ != Next::kGoOn) return;
  ++depth_;
  if (replaying_) return;
  const std::size_t begin = read_to_;
  read_to_ = event_end();
  largest_token_ = std::max(largest_token_, read_to_ - begin);
  largest_depth_ = std::max(largest_depth_, depth_);
  const auto [uri, local] = split(full_name);
  if (depth_ == 1) return start_header(uri, local, attributes);
  if (depth_ == 2) {
    tree_.clear();
    cut_ = false;
    child_start_ = static_cast<std::size_t>(XML_GetCurrentByteIndex(parser_.get()));
  }
  if (depth_ - 1 > limits_.fatal_depth) return fail("policy-violation", "elements nested too deep");
  if (cut_) return;
  cut_ = depth_ - 1 > limits_.depth || uri.size() + local.size() > limits_.name_bytes ||
         read_to_ - child_start_ > limits_.stanza_bytes || tree_.size() > limits_.tree_bytes;
  if (!cut_ || depth_ == 2)
    tree_.open(uri.substr(0, limits_.name_bytes), local.substr(0, limits_.name_bytes));
  for (std::size_t n = 0; *attributes && !cut_; attributes += 2, ++n) {
    const auto [attribute_uri, name] = split(attributes[0]);
    cut_ = n >= limits_.attributes || attribute_uri.size() + name.size() > limits_.name_bytes;
    if (!cut_) tree_.attribute(attribute_uri, name, attributes[1]);
  }
  if (cut_) tree_.cut();
}

void XmlStream::end_element() {
  if (next_ != Next::kGoOn) return;
  --depth_;
  read_to_ = event_end();
  if (depth_ > 0) tree_.close();
  if (depth_ > 1) return;
  child_start_ = read_to_;
  if (depth_ == 0) {
    interrupt(Next::kStop);
    return user_.stream_closed();
  }
  cut_ ? user_.stream_oversized(tree_.root()) : user_.stream_element(tree_.root());
  const bool has_grown = largest_token_ > kLongToken || largest_depth_ > kGreatDepth;
  if (next_ == Next::kGoOn && (read_to_ > kRenewAfter || has_grown)) interrupt(Next::kRenew);
}

void XmlStream::text(std::string_view chunk) {
  if (next_ != Next::kGoOn || replaying_) return;
  read_to_ = event_end();
  if (depth_ == 1) {
    child_start_ = read_to_;
    if (!is_space(chunk)) fail("bad-format", "text between stanzas");
    return;
  }
  if (cut_) return;
  cut_ = read_to_ - child_start_ > limits_.stanza_bytes;
  cut_ ? tree_.cut() : tree_.text(chunk);
}

}  // namespace stox::xmpp
