#!/bin/sh
# /// hook
# name = "notify-when-done"
# summary = "Shows a notification of the desktop when the agent has ended its turn or waits for you"
# needs = ["sh"]
#
# [[hooks.Stop]]
# [[hooks.Stop.hooks]]
# type = "command"
# command = 'sh "{hook}"'
# timeout = 10
# async = true
# [[hooks.Notification]]
# [[hooks.Notification.hooks]]
# type = "command"
# command = 'sh "{hook}"'
# timeout = 10
# async = true
# ///
#
# Shows a notification of the desktop when the agent has ended its turn or waits for you: with $NOTIFY_COMMAND (called
# with title and text) where it is set, else notify-send (Linux), osascript (macOS) or wsl-notify-send.exe. With jq the
# text is the host's own; without it, or where there is none, it says what happened. It runs in the background, so the
# agent never waits for it.
#
# Install: `pegboard hooks add notify-when-done --user`. In another host of the contract, put this file anywhere and its
# entry above into the settings.
#
# What it does not do: over ssh the notification appears on the other machine, if at all. In a run without a terminal
# the background process may be ended with the run, before anything was shown.

event=$(cat)
name=$(basename -- "${CLAUDE_PROJECT_DIR:-$PWD}")

case $event in
    *'"hook_event_name":"Notification"'* | *'"hook_event_name": "Notification"'*) text="The agent waits for you." ;;
    *) text="The agent is done." ;;
esac
if command -v jq >/dev/null 2>&1; then
    said=$(printf '%s' "$event" | jq -r '(.message // .last_assistant_message // "") | gsub("[[:cntrl:]]+"; " ") | .[0:200]')
    [ -z "$said" ] || text=$said
fi

# Title and text are arguments, never part of a command: nothing in them is run.
if [ -n "${NOTIFY_COMMAND:-}" ]; then
    "$NOTIFY_COMMAND" "$name" "$text"
elif command -v notify-send >/dev/null 2>&1; then
    notify-send --app-name=agent -- "$name" "$text"
elif command -v osascript >/dev/null 2>&1; then
    osascript -e 'on run argv' -e 'display notification (item 2 of argv) with title (item 1 of argv)' -e 'end run' \
        "$name" "$text"
elif command -v wsl-notify-send.exe >/dev/null 2>&1; then
    wsl-notify-send.exe --category "$name" "$text"
else
    echo "notify-when-done found no program that shows notifications; set NOTIFY_COMMAND or install notify-send" >&2
    exit 1
fi >/dev/null
