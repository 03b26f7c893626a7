# ~/.profile: read by login shells.
if [ -n "$BASH_VERSION" ] && [ -f ~/.bashrc ]; then
  . ~/.bashrc
fi
if [ -d ~/.local/bin ]; then
  PATH=~/.local/bin:$PATH
fi
