"""`mitosis completion`: the script that lets a shell complete the words of a command line.

cyclopts makes the scripts. Here is what they lack: bash takes words apart at `=` and `:`, so that it sees no
`step.param=variant`, and zsh puts a blank after `step.param=`, and fish forgets the options once a step is there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Literal

from mitosis.cli.app import app
from mitosis.cli.output.table import print_line
from mitosis.errors.files import FileTrouble

_BASH = r"""
# Readline takes words apart at the letters in COMP_WORDBREAKS, among them = and :. Here the words are put together as
# they were typed, without their quotes, and of what is found only the part that readline replaces is given back.
# Nothing on the line or in the names is evaluated.
_mitosis_words() {
  local line="${COMP_LINE:0:COMP_POINT}" word='' quote='' last='' letter reply prefix
  local -i i kept=0 is_word=0
  local -a typed=() found=()
  for ((i = 0; i < ${#line}; i++)); do
    letter="${line:i:1}"
    if [[ -n $quote ]]; then
      if [[ $letter == "$quote" ]]; then
        quote=''
      elif [[ $quote == '"' && $letter == \\ && "${line:i+1:1}" == [\\\"\$\`] ]]; then
        i+=1
        word+="${line:i:1}"
      else
        word+="$letter"
      fi
    elif [[ $letter == \\ ]]; then
      i+=1
      word+="${line:i:1}"
      is_word=1
    elif [[ $letter == [\'\"] ]]; then
      quote="$letter"
      kept=${#word}
      is_word=1
    elif [[ $letter == [[:space:]] ]]; then
      ((is_word)) && typed+=("$word")
      word='' kept=0 is_word=0
    else
      word+="$letter"
      is_word=1
      [[ "$COMP_WORDBREAKS" == *"$letter"* ]] && kept=${#word}
    fi
  done
  COMPREPLY=()
  ((${#typed[@]})) || return
  last="${typed[${#typed[@]}-1]}"
  case "$last" in
    *[\<\>] | -F | --trials-folder | --config)
      compopt -o default 2>/dev/null
      return
      ;;
  esac
  if [[ "$word" == --*=* ]]; then
    prefix="${word%%=*}"
    typed+=("$prefix" '=')
    word="${word#*=}"
    kept=kept-${#prefix}-1
    ((kept < 0)) && kept=0
  fi
  local -a COMP_WORDS=("${typed[@]}" "$word")
  local -i COMP_CWORD=${#typed[@]}
  _mitosis
  prefix=''
  ((kept)) && printf -v prefix '%q' "${word:0:kept}"
  for reply in "${COMPREPLY[@]}"; do
    [[ "$reply" == "$prefix"* ]] || continue
    reply="${reply:${#prefix}}"
    # In quotes, the shell may still make something of what is in a name.
    [[ -n $quote && "$reply" == *[\\\'\"\$\`]* ]] && continue
    found+=("$reply")
  done
  COMPREPLY=("${found[@]}")
  [[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _mitosis_words mitosis
"""

_ZSH_ADD = "compadd -d _cyc_disp -a _cyc_vals"
_ZSH_ADD_WITHOUT_BLANK = r"""{
      local -a _cyc_end=()
      [[ "${_cyc_vals[1]}" == *= ]] && _cyc_end=(-S '')
      compadd "${_cyc_end[@]}" -d _cyc_disp -a _cyc_vals
    }"""
_ZSH = r"""
# zsh loads it from a folder in $fpath and wants the answer at once, or it is sourced.
if [[ "${funcstack[1]}" == _cyclopts_mitosis ]]; then
  _cyclopts_mitosis "$@"
elif (( $+functions[compdef] )); then
  compdef _cyclopts_mitosis mitosis
fi
"""

_FISH_CONDITION = "__fish_mitosis_using_command"

_STARTUP_FILES = {"bash": ".bashrc", "zsh": ".zshrc"}
_RELOAD = {"bash": "source ~/.bashrc", "zsh": "exec zsh", "fish": "exec fish"}

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Shell, /, *, install: bool = False) -> int:
    """Print the script that completes commands, steps, parameters, variants and keys in a shell.

    Args:
        shell: Which shell.
        install: Install it where the shell looks for such scripts, and load it in new shells.
    """
    script = make_script(shell)
    if install:
        _install(shell, script)
    else:
        sys.stdout.write(script)
    return 0


def make_script(shell: Shell) -> str:
    """The script for a shell."""
    script = app.generate_completion(prog_name="mitosis", shell=shell)
    if shell == "bash":
        return script + _BASH
    if shell == "zsh":
        return script.replace(_ZSH_ADD, _ZSH_ADD_WITHOUT_BLANK) + _ZSH
    return re.sub(r"(?m)^(complete -c mitosis -n )__fish_use_subcommand (?=-[ls] )", rf"\1{_FISH_CONDITION} ", script)


def _install(shell: Shell, script: str) -> None:
    """Write the script to where cyclopts has it, with what has the shell load it, and say what was done.

    Raises:
        FileTrouble: a file cannot be written.
    """
    try:
        path = app.install_completion(shell=shell)
        path.write_text(script, encoding="utf-8")
    except OSError as error:
        raise FileTrouble(Path(error.filename or Path.home()), "written", error) from error
    print_line(f"installed: {path}")
    print_line(f"Open a new {shell}, or type: {_RELOAD[shell]}")
    if shell == "zsh":
        print_line("    It needs zsh's own completion: autoload -Uz compinit && compinit, further down in ~/.zshrc")
    loaded = f" and the lines that load it in ~/{_STARTUP_FILES[shell]}" if shell in _STARTUP_FILES else ""
    print_line(f"To remove it, delete that file{loaded}.")
