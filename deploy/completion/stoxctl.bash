# Completion of stoxctl for bash. What there is to complete, stoxctl itself says, so that it is never behind.

_stoxctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word command='' file=()
  local i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      -f | --config) file=(-f "${COMP_WORDS[i + 1]}"); i=$((i + 1)) ;;
      -*) ;;
      *) command=$word && break ;;
    esac
  done

  case $previous in
    -f | --config) mapfile -t COMPREPLY < <(compgen -f -- "$current") && return ;;
  esac
  if [[ -z $command && $current != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(stoxctl --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z][a-z-]*\).*/\1/p')" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(stoxctl $command --help | grep -o -E -e '(^| |,)--?[a-z][a-z-]*' | tr -d ' ,')" -- "$current")
  elif [[ $command != send ]]; then
    # Names of processes and the words that a command lists as {close,reconnect}.
    mapfile -t COMPREPLY < <(compgen -W "$(stoxctl "${file[@]}" units 2>/dev/null | sed 's/^[^@]*@//; s/\.service$//')
      $(stoxctl "$command" --help | grep -o -E '\{[a-z,]+\}' | tr -d '{}' | tr ',' ' ')" -- "$current")
  fi
}
complete -F _stoxctl stoxctl
