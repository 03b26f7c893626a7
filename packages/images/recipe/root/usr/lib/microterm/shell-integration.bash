# Tells the terminal where prompts, commands and outputs begin (OSC 133 A, B, C and D with the exit status) and which
# folder the shell is in (OSC 7). Sourced by /etc/bash.bashrc before ~/.bashrc, which may set PS1, PS0 and PROMPT_COMMAND
# as it likes: the hook puts the marks around whatever is there at each prompt. No prompt forks for it.

# Terminals that don't read such marks, tmux and screen (which draw a terminal of their own), and shells that other
# programs drive; a bash before 5.1 runs only the first of several prompt commands.
case ${TERM-} in '' | dumb | linux | vt* | eterm* | screen* | tmux*) return ;; esac
[ -z "${TMUX-}${STY-}${INSIDE_EMACS-}${MC_SID-}" ] || return 0
((BASH_VERSINFO[0] > 5 || (BASH_VERSINFO[0] == 5 && BASH_VERSINFO[1] >= 1))) || return 0

__microterm_ran='' __microterm_folder='' __microterm_url='' __microterm_nothing=''
# The expansion is empty; what it computes on its way tells the hook that a command was run.
# shellcheck disable=SC2016 # The prompt expands it.
__microterm_ps0='\e]133;C\a${__microterm_nothing:__microterm_ran=1:0}'

# $PWD as the path of a URL, in __microterm_url: each byte but RFC 3986's unreserved ones and the slash is encoded.
__microterm_encode() {
  __microterm_folder=$PWD __microterm_url=$PWD
  [[ $PWD == *[!A-Za-z0-9/._~-]* ]] || return 0
  local LC_ALL=C path=$PWD byte at
  __microterm_url=
  for ((at = 0; at < ${#path}; at++)); do
    byte=${path:at:1}
    if [[ $byte != [A-Za-z0-9/._~-] ]]; then
      printf -v byte %d "'$byte"
      printf -v byte %%%02X $((byte & 255))
    fi
    __microterm_url+=$byte
  done
}

__microterm_prompt() {
  local status=$? last at
  [[ $- != *x* ]] || { local - && set +x; } 2>/dev/null
  [[ $__microterm_folder == "$PWD" ]] || __microterm_encode
  # To where the prompt goes, also when the shell's output is redirected.
  printf '%b\e]7;file://%s%s\a' "${__microterm_ran:+\e]133;D;$status\a}" "${HOSTNAME//[!A-Za-z0-9.-]/}" "$__microterm_url" >&2
  __microterm_ran=
  [[ $PS1 == *'133;A'*'133;B'* ]] || PS1='\[\e]133;A\a\]'$PS1'\[\e]133;B\a\]'
  [[ ${PS0-} == *"$__microterm_ps0"* ]] || PS0=${PS0-}$__microterm_ps0
  # After commands that were added since, so that a PS1 they make is marked too.
  last=("${!PROMPT_COMMAND[@]}")
  if [[ ${PROMPT_COMMAND[last[-1]]} != __microterm_prompt ]]; then
    for at in "${last[@]}"; do
      [[ ${PROMPT_COMMAND[at]} != __microterm_prompt ]] || unset "PROMPT_COMMAND[at]"
    done
    PROMPT_COMMAND+=(__microterm_prompt)
  fi
  # Whatever it is, bash keeps $?; with `set -e` another one would end the shell.
  return 0
}

# Not the first element: that is what an assignment to PROMPT_COMMAND replaces.
PROMPT_COMMAND[100]=__microterm_prompt
