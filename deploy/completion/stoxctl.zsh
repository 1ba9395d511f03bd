#compdef stoxctl
# Completion of stoxctl for zsh. What there is to complete, stoxctl itself says, so that it is never behind.

local word command
local -a file offers
integer i
for ((i = 2; i < CURRENT; i++)); do
  word=${words[i]}
  case $word in
    -f | --config) file=(-f ${words[i + 1]}); ((i++)) ;;
    -*) ;;
    *) command=$word; break ;;
  esac
done

case ${words[CURRENT - 1]} in
  -f | --config) _files; return ;;
esac
if [[ ${words[CURRENT]} == -* ]]; then
  offers=(${(f)"$(stoxctl $command --help | grep -o -E -e '(^| |,)--?[a-z][a-z-]*' | tr -d ' ,')"})
  compadd -a offers
elif [[ -z $command ]]; then
  offers=(${(f)"$(stoxctl --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z][a-z-]*\)  *\(.*\)/\1:\2/p')"})
  _describe command offers
elif [[ $command != send ]]; then
  # Names of processes and the words that a command lists as {close,reconnect}.
  offers=(${(f)"$(stoxctl $file units 2>/dev/null | sed 's/^[^@]*@//; s/\.service$//')"}
    ${(f)"$(stoxctl $command --help | grep -o -E '\{[a-z,]+\}' | tr -d '{}' | tr ',' '\n')"})
  compadd -a offers
fi
