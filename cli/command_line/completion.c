/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `vmexport completion SHELL`: scripts that ask `vmexport __complete` (complete.h) what is possible, so
 * that they know of no command or flag themselves.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

/* The words come from the line itself: bash's own are cut at '=' and ':'. What it replaces is the part
 * behind the last '=', so that is what it is given. */
static const char bash[] =
    "# bash completion for vmexport and kubectl-vmexport\n"
    "_vmexport() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} words word attached='' directive=0 reply\n"
    "    COMPREPLY=()\n"
    "    read -r -a words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    word=${words[${#words[@]} - 1]}\n"
    "    if [[ $word == --*=* ]]; then\n"
    "        attached=${word%%=*}=\n"
    "        word=${word#*=}\n"
    "    fi\n"
    "    while IFS= read -r reply; do\n"
    "        if [[ $reply == :* ]]; then\n"
    "            directive=${reply#:}\n"
    "        else\n"
    "            reply=${reply%%$'\\t'*}\n"
    "            [[ $COMP_WORDBREAKS == *=* ]] && reply=${reply#\"$attached\"}\n"
    "            COMPREPLY+=(\"$reply\")\n"
    "        fi\n"
    "    done < <(\"${words[0]}\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
    "    case $directive in\n"
    "        0) compopt -o filenames 2>/dev/null; reply=-f ;;\n"
    "        16) compopt -o filenames 2>/dev/null; reply=-d ;;\n"
    "        *) return ;;\n"
    "    esac\n"
    "    [[ $COMP_WORDBREAKS == *=* ]] && attached=''\n"
    "    while IFS= read -r line; do\n"
    "        COMPREPLY+=(\"$attached$line\")\n"
    "    done < <(compgen \"$reply\" -- \"$word\")\n"
    "}\n"
    "complete -F _vmexport vmexport kubectl-vmexport\n";

static const char zsh[] =
    "#compdef vmexport kubectl-vmexport\n"
    "_vmexport() {\n"
    "    local reply directive=0\n"
    "    local -a candidates\n"
    "    while IFS= read -r reply; do\n"
    "        if [[ $reply == :* ]]; then\n"
    "            directive=${reply#:}\n"
    "        else\n"
    "            candidates+=(\"${${reply//:/\\\\:}/$'\\t'/:}\")\n"
    "        fi\n"
    "    done < <(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    case $directive in\n"
    "        0) compset -P '--*='; _files ;;\n"
    "        16) compset -P '--*='; _files -/ ;;\n"
    "        *) _describe vmexport candidates ;;\n"
    "    esac\n"
    "}\n"
    "if [[ ${funcstack[1]} == _vmexport ]]; then\n"
    "    _vmexport\n"
    "else\n"
    "    compdef _vmexport vmexport kubectl-vmexport\n"
    "fi\n";

static const char fish[] =
    "# fish completion for vmexport and kubectl-vmexport\n"
    "function __vmexport_complete\n"
    "    set -l before (commandline -opc)\n"
    "    set -l word (commandline -ct)\n"
    "    set -l replies (command $before[1] __complete $before[2..-1] \"$word\" 2>/dev/null)\n"
    "    set -l attached (string match -r -- '^--[^=]*=' \"$word\")\n"
    "    set -l path (string replace -r -- '^--[^=]*=' '' \"$word\")\n"
    "    switch \"$replies[-1]\"\n"
    "        case ':0'\n"
    "            printf '%s\\n' \"$attached\"(__fish_complete_path \"$path\")\n"
    "        case ':16'\n"
    "            printf '%s\\n' \"$attached\"(__fish_complete_directories \"$path\")\n"
    "        case '*'\n"
    "            printf '%s\\n' $replies[1..-2]\n"
    "    end\n"
    "end\n"
    "complete -c vmexport -f -a '(__vmexport_complete)'\n"
    "complete -c kubectl-vmexport -f -a '(__vmexport_complete)'\n";

int command_completion(const struct options *options, struct err *err)
{
    const char *script = strcmp(options->name, "bash") == 0  ? bash
                         : strcmp(options->name, "zsh") == 0 ? zsh
                                                             : fish;

    (void)err;
    fputs(script, stdout);
    return 0;
}
