"""The password that let a visitor in is that of his account, for the programs of the machine too."""
import re

VISITORS = "visitors:\n  known_by: address\n"
CHECK = """/usr/bin/python3 -W ignore -c '
import crypt, spwd, sys
entry = spwd.getspnam(sys.argv[1]).sp_pwdp
print(crypt.crypt(sys.argv[2], entry) == entry)' """


def text(done):
    return done.stdout.decode()


def test_the_hash_is_that_of_the_password_at_each_visit(own_honeypot):
    pot = own_honeypot(VISITORS)
    with pot.recorded() as sessions:
        first = text(pot.ssh("stat -c %z /etc/shadow; grep ^root: /etc/shadow; stat -c %z /etc/shadow"))
    kinds = {e["eventid"] for e in sessions[0]}
    assert "lured.visitor.kept" not in kinds  # he has changed nothing
    with pot.recorded():
        second = text(pot.ssh("stat -c %z /etc/shadow; grep ^root: /etc/shadow; stat -c %z /etc/shadow; touch /root/mine"))
    assert first == second and first.splitlines()[0] == first.splitlines()[2]
    assert re.match(r"root:\$y\$j9T\$[./0-9A-Za-z]{22}\$[./0-9A-Za-z]{43}:", first.splitlines()[1])
    assert text(pot.ssh(CHECK + "root 123456")) == "True\n"
    # Another password of the policy's opens the door as before, and then it is the one.
    assert text(pot.ssh(CHECK + "root toor; " + CHECK + "root 123456", password="toor")) == "True\nFalse\n"


def test_sudo_and_passwd_take_it(own_honeypot):
    pot = own_honeypot(VISITORS)
    done = pot.ssh("echo admin | sudo -S id -nu; (echo admin; echo Other-pass9; echo Other-pass9) | passwd && echo changed",
                   user="admin", password="admin")
    assert text(done).splitlines() == ["root", "Changing password for admin.", "changed"]
