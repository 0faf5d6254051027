#!/bin/sh
# /// hook
# name = "git-context"
# summary = "Tells the model at the session's start on which branch it is, what is uncommitted and what was last done"
# needs = ["sh", "git"]
#
# [[hooks.SessionStart]]
# matcher = "startup|resume|clear|compact"
# [[hooks.SessionStart.hooks]]
# type = "command"
# command = 'sh "{hook}"'
# timeout = 10
# ///
#
# Tells the model at the session's start on which branch it is, what is uncommitted and what was last done. Plain text on
# stdout is context at this event, so neither JSON nor jq is needed. Outside a repository, and without git, it says
# nothing.
#
# Install: `pegboard hooks add git-context`. In another host of the contract, put this file anywhere and its entry above
# into the settings.
#
# What it does not do: it says what is true now; the model is not told when it changes. Branch names, file names and
# commit subjects are other people's words and go to the model as they are: it may take them for instructions.

cd -- "${CLAUDE_PROJECT_DIR:-.}" 2>/dev/null || exit 0
command -v git >/dev/null 2>&1 || exit 0

# Takes no locks, so that it is in nobody's way, and starts no file-system monitor that the repository may name.
git() { command git --no-optional-locks --no-pager -c core.fsmonitor=false "$@" 2>/dev/null </dev/null; }

[ "$(git rev-parse --is-inside-work-tree)" = true ] || exit 0

branch=$(git symbolic-ref --quiet --short HEAD) || branch="no branch (detached at $(git rev-parse --short HEAD))"
echo "Git: on $branch."

if upstream=$(git rev-parse --abbrev-ref --symbolic-full-name '@{upstream}'); then
    counts=$(git rev-list --left-right --count "HEAD...$upstream" --)
    # shellcheck disable=SC2086
    set -- $counts
    [ "${1:-0}" = 0 ] && [ "${2:-0}" = 0 ] || echo "It is ${1:-0} commits ahead of $upstream and ${2:-0} behind."
fi

folder=$(git rev-parse --git-dir)
for state in MERGE_HEAD:merge CHERRY_PICK_HEAD:cherry-pick REVERT_HEAD:revert rebase-merge:rebase rebase-apply:rebase; do
    [ -e "$folder/${state%%:*}" ] && echo "A ${state##*:} is under way."
done

changes=$(git status --short --untracked-files=normal --ignore-submodules=dirty)
if [ -n "$changes" ]; then
    count=$(printf '%s\n' "$changes" | wc -l | tr -d ' ')
    echo "Uncommitted ($count):"
    printf '%s\n' "$changes" | head -n 20
    [ "$count" -le 20 ] || echo "... and $((count - 20)) more"
else
    echo "Nothing is uncommitted."
fi

last=$(git log -5 --format='%h %ar: %<(72,trunc)%s')
[ -z "$last" ] || { echo "Last commits:"; printf '%s\n' "$last" | sed 's/ *$//'; }
exit 0
