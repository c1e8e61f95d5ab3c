#!/usr/bin/env bash
# bot: a harmless bot. It guesses a password, looks around as bots do, leaves a file, and goes.
# usage: script/lab bot [PORT]     (default: 2222; always on 127.0.0.1)
set -euo pipefail
port=${1:-2222}
options=(-F none -p "$port" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
         -o LogLevel=ERROR -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1
         -o KexAlgorithms=curve25519-sha256 -o Ciphers=aes256-gcm@openssh.com)   # what tshark 4.0 reads

for password in admin 123456 letmein; do
    echo "bot: trying root / $password"
    # Typed into a terminal, as a person would.
    if printf '%s\n' 'uname -a' 'id' 'cat /etc/issue' 'cd /tmp' \
        'echo "echo I am a harmless bot" > bot.sh' 'sh bot.sh' 'exit' |
        sshpass -p "$password" ssh -tt "${options[@]}" root@127.0.0.1 > /dev/null; then
        echo "bot: I was in"
        exit 0
    fi
done
echo "bot: no password worked"
exit 1
