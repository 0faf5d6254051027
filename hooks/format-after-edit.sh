#!/bin/sh
# /// hook
# name = "format-after-edit"
# summary = "Formats a file after it was edited, with whichever formatter the project has"
# needs = ["sh", "jq"]
#
# [[hooks.PostToolUse]]
# matcher = "Write|Edit|MultiEdit"
# [[hooks.PostToolUse.hooks]]
# type = "command"
# command = 'sh "{hook}"'
# timeout = 60
# ///
#
# Formats a file after it was edited, with whichever formatter the project has: ruff or black for Python, prettier for
# the web, gofmt, rustfmt, shfmt. If the file was changed by that, the model is told, so that its next edit fits; if the
# formatter cannot read the file, the model is told that, too. No formatter, no file, a file outside the project: nothing.
#
# Install: `pegboard hooks add format-after-edit`. In another host of the contract, put this file anywhere and its entry
# above into the settings.
#
# What it does not do: it formats the whole file, not only the lines that were edited, and files that a shell command
# writes are not formatted. A formatter runs with the project's own configuration, plug-ins included: only use this in
# projects that you trust.

command -v jq >/dev/null 2>&1 || { echo "format-after-edit needs jq, which is not installed" >&2; exit 1; }

file=$(jq -r '.tool_input.file_path // empty') || exit 1
[ -n "$file" ] && [ -f "$file" ] || exit 0

# Where the file really is: a link out of the project is not followed.
folder=$(CDPATH='' cd -P -- "$(dirname -- "$file")" 2>/dev/null && pwd) || exit 0
project=$(CDPATH='' cd -P -- "${CLAUDE_PROJECT_DIR:-.}" 2>/dev/null && pwd) || exit 0
case $folder/ in "$project"/*) ;; *) exit 0 ;; esac
[ ! -L "$file" ] || exit 0
file=$folder/$(basename -- "$file")
cd -- "$project" || exit 1

# Sets $1... to the first of the named programs that is there, the project's own before those of the machine.
found=
find_one() {
    for program; do
        for place in "./node_modules/.bin/$program" "./.venv/bin/$program"; do
            [ -x "$place" ] && { found=$place; return 0; }
        done
        command -v "$program" >/dev/null 2>&1 && { found=$program; return 0; }
    done
    return 1
}

case $file in
    *.py | *.pyi) find_one ruff black || exit 0 ;;
    *.js | *.jsx | *.ts | *.tsx | *.mjs | *.cjs | *.json | *.css | *.scss | *.html | *.vue | *.yaml | *.yml)
        find_one prettier || exit 0 ;;
    *.go) find_one gofmt || exit 0 ;;
    *.rs) find_one rustfmt || exit 0 ;;
    *.sh | *.bash) find_one shfmt || exit 0 ;;
    *) exit 0 ;;
esac

before=$(cksum <"$file")
case ${found##*/} in
    ruff) said=$("$found" format --quiet -- "$file" 2>&1 </dev/null) ;;
    black) said=$("$found" --quiet -- "$file" 2>&1 </dev/null) ;;
    prettier) said=$("$found" --write --log-level warn -- "$file" 2>&1 </dev/null) ;;
    gofmt | shfmt) said=$("$found" -w -- "$file" 2>&1 </dev/null) ;;
    rustfmt) said=$("$found" -- "$file" 2>&1 </dev/null) ;;
esac
failed=$?

if [ "$failed" -ne 0 ]; then
    # Exit code 2 after a tool undoes nothing: it shows the model what stands on stderr.
    { echo "${found##*/} cannot format $file:"; printf '%s\n' "$said" | head -n 20; } >&2
    exit 2
fi
[ "$before" = "$(cksum <"$file")" ] || jq -cn --arg text "${found##*/} has formatted $file; read it again before you edit it." \
    '{hookSpecificOutput: {hookEventName: "PostToolUse", additionalContext: $text}}'
