# /etc/bash.bashrc: for every interactive bash. ~/.bashrc comes after it and may change all of this.
[ -n "${PS1-}" ] || return

shopt -s checkwinsize histappend globstar
HISTCONTROL=ignoreboth HISTSIZE=10000 HISTFILESIZE=20000

if [ "$EUID" = 0 ]; then __microterm_colour=31; else __microterm_colour=32; fi
case $TERM in
dumb | "") PS1='\u@\h:\w\$ ' ;;
linux | vt*) PS1='\[\e[1;'$__microterm_colour'm\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ ' ;;
*) PS1='\[\e]0;\u@\h: \w\a\]\[\e[1;'$__microterm_colour'm\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ ' ;;
esac
unset __microterm_colour

. /usr/lib/microterm/ls-colors.bash
alias ls='ls --color=auto' grep='grep --color=auto' ll='ls -alF' la='ls -A' l='ls -CF'

# bash-completion takes 55 to 95 ms to load in an emulated guest, so it is loaded at the first Tab that wants it.
# 124 makes bash look the command up again (bash(1), Programmable Completion).
__microterm_load_completion() {
  complete -r -D
  unset -f __microterm_load_completion
  . /usr/share/bash-completion/bash_completion || return 1
  _completion_loader "$@"
}
if ! shopt -oq posix && [ -r /usr/share/bash-completion/bash_completion ]; then
  complete -D -o bashdefault -o default -F __microterm_load_completion
fi

# Marks of prompts and folders for terminals that understand them; not part of every image.
if [ -r /usr/lib/microterm/shell-integration.bash ]; then
  . /usr/lib/microterm/shell-integration.bash
fi
