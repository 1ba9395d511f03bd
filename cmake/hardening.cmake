# What Debian builds its packages with (dpkg-buildflags, hardening=+all): a bug in memory ends the process instead of
# serving an attacker. tests/package looks at the programs.

include(CheckCXXCompilerFlag)

add_compile_options(-fPIE -fstack-protector-strong -Wformat -Werror=format-security -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
add_link_options(-pie -Wl,-z,relro,-z,now)
foreach(flag -fstack-clash-protection -fcf-protection)  # the second is of x86
  string(MAKE_C_IDENTIFIER has${flag} has)
  check_cxx_compiler_flag(${flag} ${has})
  if(${has})
    add_compile_options(${flag})
  endif()
endforeach()
