# ~/.bashrc: yours. Prompt, colours and completion are set up in /etc/bash.bashrc.
case $- in *i*) ;; *) return ;; esac

if [ -f ~/.bash_aliases ]; then
  . ~/.bash_aliases
fi
