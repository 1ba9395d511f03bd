// Letters, digits and marks that Unicode has got since 3.2, of which stringprep knows nothing.
#pragma once

namespace stox {

// True for one that RFC 7622 lets a localpart hold as it is: one without a lower case, a compatibility or a
// composed form.
bool is_newer_letter(char32_t);

}  // namespace stox
