r"""Shell commands in every dress, by what bash makes of them.

`RUN_IT`: they run `rm` with `build` among its arguments. `MAY_RUN_IT`: they run it, or would if something that their
text does not say were so. `DO_NOT`: they only speak of it. `ONLY_ALLOWED`: they run nothing but `npm test` and what
plainly reads. `RUN_MORE`: they run `npm test`, and something else that no rule covers.
"""

from __future__ import annotations

RUN_IT = r"""
rm build
rm -rf build
'rm' build
"rm" build
r"m" build
r'm' build
""rm build
''r''m'' build
\\rm build
r\m build
\\r\m build
$'rm' build
$'\x72m' build
$'\162\155' build
$'\u0072m' build
$'r\155' build
$"rm" build
rm 'build'
rm "bui"ld
/bin/rm build
/usr/bin/rm build
./../../bin/rm build
~/bin/rm build
rm	build
X=1 rm build
X=1 Y='a b' rm build
X= rm build
X=$HOME rm build
X+=1 rm build
>log rm build
2>/dev/null rm build
<<<x rm build
rm build >log 2>&1
rm build &>log
rm build >>log
rm build &
rm build; true
true; rm build
true && rm build
false || rm build
! false && rm build
true & rm build
ls | rm build
ls |& rm build
true | true | rm build
rm build | cat
(rm build)
((true); (rm build))
( ( rm build ) )
{ rm build; }
{ { rm build; } }
! rm build
! ! rm build
time rm build
time -p rm build
time { rm build; }
time ( rm build )
if rm build; then :; fi
if true; then rm build; fi
if false; then :; else rm build; fi
if false; then :; elif true; then rm build; fi
if true; then if true; then rm build; fi; fi
while rm build; do break; done
while true; do rm build; break; done
until false; do rm build; break; done
until rm build; do :; done
for x in a; do rm build; done
for x in a; do rm build/$x; done
for x in $(rm build); do :; done
for ((i=0;i<1;i++)); do rm build; done
for ((i=$(rm build; echo 0);i<1;i++)); do :; done
for x do rm build; done; set -- a; for x do rm build; done
case x in x) rm build;; esac
case x in (x) rm build;; esac
case x in y) :;; *) rm build;; esac
case x in x|y) rm build;& z) :;; esac
case x in x) rm build;;& *) :;; esac
case $(rm build) in *) :;; esac
case x in $(rm build)) :;; esac
f() { rm build; }; f
f () { rm build; }; f
f() ( rm build ); f
function f { rm build; }; f
function f() { rm build; }; f
f() { g() { rm build; }; g; }; f
f() if true; then rm build; fi; f
f() { "$@"; }; rm build; f true
[[ -n x ]] && rm build
[[ -n $(rm build) ]]
[[ $(rm build) == x ]] || true
[ -n x ] && rm build
[ -n "$(rm build)" ]
test -z "$(rm build)"
((1)) && rm build
(( $(rm build; echo 1) ))
echo $(( $(rm build; echo 1) + 1 ))
echo $(rm build)
echo "$(rm build)"
echo "a $(rm build) b"
echo a$(rm build)b
echo `rm build`
echo "`rm build`"
echo `echo \`rm build\``
echo "`echo \"$(rm build)\"`"
echo $(echo $(rm build))
echo $(echo "$(rm build)")
echo "$(echo "$(rm build)")"
$(rm build)
`rm build`
x=$(rm build)
x=`rm build` true
x="$(rm build)" y=2 true
export x=$(rm build)
declare x="$(rm build)"
declare -a x=($(rm build))
readonly x=$(rm build)
x=($(rm build))
x=(a "$(rm build)" b)
x[$(rm build; echo 0)]=1
echo ${x:-$(rm build)}
echo "${x:-$(rm build)}"
echo "${x:-`rm build`}"
echo ${x:=$(rm build)}
echo ${x:+a}${x:-$(rm build)}
echo ${x/a/$(rm build)}; x=a; echo ${x/a/$(rm build)}
x=abc; echo ${x#$(rm build)}
x=abc; echo "${x%"$(rm build)"}"
x=abc; echo ${x:$(rm build; echo 0):1}
echo {a,$(rm build)}
cat <(rm build)
cat < <(rm build)
true > >(rm build)
tee >(rm build) </dev/null
diff <(rm build) <(true)
cat <<E\n$(rm build)\nE\n
cat <<E\na `rm build` b\nE\n
cat <<-E\n\t$(rm build)\n\tE\n
cat <<E; rm build\nx\nE\n
cat <<E && rm build\nx\nE\n
cat <<E | cat\n$(rm build)\nE\n
cat <<'E'; rm build\n$(true)\nE\n
cat <<'E'\nx\nE\nrm build
cat <<"E"\nx\nE\nrm build
cat <<\\E\nx\nE\nrm build
cat <<E\nx\nE\nrm build
cat <<-E\n\tx\n\tE\nrm build
cat <<E\nE\nrm build
bash <<E\nrm build\nE\n
bash <<'E'\nrm build\nE\n
bash -s <<E\nrm build\nE\n
sh <<-E\n\trm build\n\tE\n
true && bash <<E\nrm build\nE\n
bash <<E\nr\\\\\nm build\nE\n
cat <<<$(rm build)
cat <<<"$(rm build)"
bash <<<'rm build'
bash <<<"rm build"
true; bash <<< 'rm build'
bash -c 'rm build'
bash -c "rm build"
bash -c rm\\ build
bash -lc 'rm build'
bash -ec 'rm build'
bash -c -- 'rm build'
bash -o pipefail -c 'rm build'
bash -c -o pipefail 'rm build'
bash +x -c 'rm build'
bash --norc -c 'rm build'
bash --noprofile --norc -c 'rm build'
bash -c 'true; rm build' name arg
sh -c 'rm build'
sh -c "true && rm build"
/bin/sh -c 'rm build'
exec bash -c 'rm build'
bash -c "bash -c 'rm build'"
bash -c 'eval "rm build"'
bash -c 'echo $(rm build)'
eval rm build
eval 'rm build'
eval "rm" build
eval -- rm build
eval "eval 'rm build'"
eval 'r''m build'
eval "true; rm build"
command rm build
command -p rm build
command -- rm build
builtin command rm build
builtin eval 'rm build'
exec rm build
exec -a ls rm build
exec -c rm build
(exec rm build)
env rm build
env -i PATH="$PATH" rm build
env A=b rm build
env -u HOME rm build
env -- rm build
env -S 'rm build'
env -S'rm build'
env --split-string='rm build'
env -C . rm build
/usr/bin/env rm build
env env env rm build
env bash -c 'rm build'
nohup rm build
nohup rm build >/dev/null 2>&1 &
nice rm build
nice -n 5 rm build
nice -5 rm build
nice --adjustment=5 rm build
timeout 5 rm build
timeout 5s rm build
timeout -s KILL 5 rm build
timeout --signal=KILL 5 rm build
timeout --signal KILL 5 rm build
timeout -k 1 5 rm build
timeout --foreground --preserve-status 5 rm build
timeout 5 timeout 5 rm build
timeout 5 bash -c 'rm build'
stdbuf -oL rm build
stdbuf -o L -e L rm build
setsid rm build
setsid -w rm build
setsid -f rm build
sudo rm build
sudo -n rm build
sudo -E rm build
sudo -u root rm build
sudo --user=root rm build
sudo -- rm build
sudo A=b rm build
sudo bash -c 'rm build'
sudo -n env A=b timeout 5 nice rm build
doas rm build
xargs rm </dev/null; echo build | xargs rm
echo build | xargs rm
echo build | xargs -n1 rm
echo build | xargs -I{} rm {}
echo build | xargs -I % rm %
echo build | xargs -r rm -f
echo build | xargs --no-run-if-empty rm
echo build | xargs -0 rm
echo build | xargs env rm
echo build | xargs bash -c 'rm "$@"' _
echo build | xargs -I{} sh -c 'rm {}'
printf 'build\\0' | xargs -0 rm
xargs -a list rm; echo build | xargs rm
find . -maxdepth 0 -exec rm build \\;
find . -maxdepth 0 -exec rm build {} +
find . -maxdepth 0 -exec env rm build \\;
find . -maxdepth 0 -exec sh -c 'rm build' \\;
find . -maxdepth 0 -execdir rm build ';'
find . -maxdepth 0 -exec true {} + -exec rm build {} ";"
trap 'rm build' EXIT
trap "rm build" 0
trap -- 'rm build' EXIT
coproc rm build; wait
coproc { rm build; }; wait
coproc C { rm build; }; wait
r\\\nm build
rm \\\n build
true \\\n && rm build
true &&\n rm build
true |\n rm build
true\nrm build
true\n\n\nrm build\n
# comment\nrm build
true # comment\nrm build
echo a # rm x\nrm build
echo 'a\nb'; rm build
echo "a\nb"; rm build
ls\n\\rm build
a=1\\\nb=2; rm build
alias ls='rm build'; shopt -s expand_aliases\nls
set -e; rm build
set -- build; rm "$@"
cd . && rm build
pushd . >/dev/null; rm build
echo "'"; rm build
echo '"'; rm build
echo \\'; rm build
echo \\"; rm build
echo "\\""; rm build
echo "$(echo ")")"; rm build
echo ${x:-"}"}; rm build
echo ${x:-\\}}; rm build
echo $'a\\'b'; rm build
echo "a'b'c"; rm build
echo '$('; rm build
echo "\\$("; rm build
echo \\$\\(; rm build
echo a\\;b; rm build
echo a';'b; rm build
echo {a,b}; rm build
echo a{1..3}b; rm build
echo *; rm build
echo [a-z]*; rm build
echo ?; rm build
echo ~; rm build
echo $#; rm build
echo ${#x}; rm build
echo $$ $! $? $- $0; rm build
echo $((1+2)); rm build
echo $((1<<2)); rm build
echo $[1+1]; rm build
let x=1+1; rm build
x=5; ((x++)); rm build
[[ a =~ ^(a|b)$ ]] && rm build
[[ a < b ]] && rm build
[[ ( -n a ) && ! -z b ]] && rm build
[ a \\< b ] ; rm build
select x in a; do rm build; break; done <<<1
while read -r x; do rm build; done <<<a
while IFS= read -r x; do rm build; done < <(echo a)
echo a | while read x; do rm build; done
{ echo a; } 2>&1 | { cat; rm build; }
exec 3>&1; rm build
exec 3<&0 4>x; rm build >&3
rm build {fd}>x
rm build 3<>x
rm build >|x
rm build 2>&-
:;rm build
:&&rm build
:||:;rm build
:|rm build
(:);rm build
{ :;};rm build
:>x;rm build
:<x;rm build; rm build
if :;then rm build;fi
while :;do rm build;break;done
for x in a;do rm build;done
case x in x)rm build;;esac
[[ x ]]&&rm build
((1))&&rm build
f(){ rm build;};f
echo>x;rm build
echo 2>x;rm build
true 1>x 2>y;rm build
rm build<x; touch x; rm build<x
"$(echo true)"; rm build
printf '%s\\n' "a; b"; rm build
printf -v x '%s' a; rm build
read x <<< a; rm build
IFS=,; rm build
local x 2>/dev/null; rm build
unset x; rm build
hash -r; rm build
type rm >/dev/null; rm build
command -v rm >/dev/null && rm build
which rm >/dev/null; rm build
echo é; rm build
echo "日本語"; rm build
é=1; rm build
rm build é
rm 日本語 build
""; rm build
'' ; rm build
: "$(: "$(: "$(rm build)")")"
: ${x:-${y:-${z:-$(rm build)}}}
: "${x:-"${y:-"$(rm build)"}"}"
: <<E "$(rm build)"\nx\nE\n
cat - <<E\nx\nE\nrm build
cat <<EOF1\nx\nEOF1\ncat <<EOF2\ny\nEOF2\nrm build
bash script.sh; rm build
bash /dev/stdin <<< 'rm build'
source /dev/stdin <<< 'rm build'
. /dev/stdin <<< 'rm build'
"""

MAY_RUN_IT = r"""
X=rm; $X build
X=rm; "$X" build
X=rm; ${X} build
X='rm build'; $X
X='rm build'; eval $X
X='rm build'; eval "$X"
X='rm build'; bash -c "$X"
X=m; r$X build
X=r; ${X}m build
X=xrm; ${X#x} build
X=mr; ${X:1:1}${X:0:1} build
X=(rm build); "${X[@]}"
X=(rm build); ${X[*]}
set -- rm build; "$@"
set -- rm build; $*
set -- rm build; $1 $2
printf -v X rm; $X build
read X <<< rm; $X build
read -r X Y <<< 'rm build'; $X $Y
for x in rm; do $x build; done
for x in ls rm; do $x build; done
case rm in r*) X=rm;; esac; $X build
f() { $1 build; }; f rm
f() { "$@"; }; f rm build
f() { eval "$*"; }; f rm build
{rm,build}
{rm,-rf,build}
{r,x}m build
rm{,} build
r{m,n} build
$(echo rm) build
`echo rm` build
"$(echo rm)" build
$(printf r)$(printf m) build
$(echo rm build)
eval $(echo rm build)
eval "$(echo rm build)"
bash -c "$(echo rm build)"
echo rm build | bash
echo 'rm build' | sh
echo rm build | bash -s
echo rm build | bash -
echo rm build | bash /dev/stdin
printf 'rm build' | bash -s -- x
base64 -d <<< cm0gYnVpbGQK | bash
bash <(echo rm build)
bash < <(echo rm build)
source <(echo rm build)
. <(echo rm build)
bash <<< $(echo rm build)
bash <<E\n$(echo rm build)\nE\n
X=rm; bash <<E\n$X build\nE\n
echo rm | xargs -I{} {} build
echo 'rm build' | xargs env
echo rm build | xargs sh -c '"$@"' _
echo rm build | xargs -I{} sh -c '{}'
X=rm; env $X build
X=rm; timeout 5 $X build
X=rm; exec $X build
X=rm; command $X build
X=rm; find . -maxdepth 0 -exec $X build \\;
trap "$(echo rm build)" EXIT
${X:-rm} build
${X:=rm} build
"${X:-rm}" build
~/../bin/r? build
/bin/r[m] build
/bin/?m build
/usr/bin/r* build
X=build; eval "rm" '$X'
hash -p /bin/rm ls; ls build
enable -n echo; rm build
git -c alias.x='!rm build' x
git -c core.pager='rm build' log
git -c core.sshCommand='rm build' fetch
git bisect run rm build
git rebase --exec 'rm build' HEAD~1
git submodule foreach 'rm build'
GIT_SSH_COMMAND='rm build' git fetch
PAGER='rm build' git log
EDITOR='rm build' crontab -e
BASH_ENV=<(echo rm build) bash -c true
python3 -c 'import os; os.system("rm build")'
python3 -c "import subprocess as s; s.run(['rm', 'build'])"
python3 <<E\nimport os; os.system("rm build")\nE\n
perl -e 'system("rm build")'
perl -e 'exec qw(rm build)'
ruby -e '`rm build`'
node -e 'require("child_process").execSync("rm build")'
awk 'BEGIN { system("rm build") }'
awk 'BEGIN { print | "rm build" }'
sed -n '1e rm build' list
sed 's/.*/rm build/e' list
tar cf /dev/null . --checkpoint=1 --checkpoint-action=exec='rm build'
rsync -e 'rm build' a b:
ssh -o ProxyCommand='rm build' host
ssh -p 22 host rm build
ssh host 'cd x && rm build'
tmux new-session -d 'rm build'
screen -dm rm build
at now <<< 'rm build'
make -f - <<< 'x: ; rm build'
vim -c '!rm build' -c q
expect -c 'spawn rm build'
docker run x rm build
docker exec x sh -c 'rm build'
kubectl exec x -- rm build
npm exec -- rm build
npx rm build
uv run rm build
poetry run rm build
bundle exec rm build
direnv exec . rm build
mise exec -- rm build
nix-shell --run 'rm build'
fd -x rm
fd . -x rm build
entr rm build
watchexec -- rm build
hyperfine 'rm build'
parallel rm ::: build
echo rm build | parallel
strace rm build
ltrace -f rm build
gdb -batch -ex '!rm build'
unshare -r rm build
chroot . rm build
flock lock rm build
flock lock -c 'rm build'
script -c 'rm build' /dev/null
script -qc 'rm build'
su -c 'rm build'
su root -c 'rm build'
runuser -u x -- rm build
pkexec rm build
systemd-run --user rm build
watch rm build
watch -n1 'rm build'
busybox rm build
busybox sh -c 'rm build'
toybox rm build
/lib64/ld-linux-x86-64.so.2 /bin/rm build
ionice -c3 rm build
taskset 1 rm build
chrt -b 0 rm build
cpulimit -l 5 rm build
proxychains rm build
torsocks rm build
firejail rm build
bwrap --bind / / rm build
caffeinate rm build
unbuffer rm build
dbus-run-session rm build
xvfb-run rm build
catchsegv rm build
valgrind rm build
perf stat rm build
mapfile -C 'rm build' -c 1 x < list
complete -C 'rm build' x
bind -x '"x":rm build'
unknown-wrapper rm build
unknown-wrapper 'rm build'
./wrapper.sh rm build
sudo -Z unknown rm build
timeout --unknown 5 rm build
x='a[$(rm build)]'; echo $((x))
[[ -v 'a[$(rm build)]' ]]
test -v 'a[$(rm build)]'
printf -v 'a[$(rm build)]' x
let 'a[$(rm build)]=1'
declare -i x='a[$(rm build)]'
echo ${!x}
echo ${x@P}
echo (rm build)
echo $(rm build
echo `rm build
echo "$(rm build"
echo 'rm build
{ rm build
if rm build
rm build )
case x in x) rm build
cat <<E\n$(rm build)
bash <<E\nrm build
function { rm build; }
\\ rm build
echo a\r\nrm build\r
rm\x0bbuild; rm build \x0c
"""

DO_NOT = r"""
rmdir build
rmx build
xrm build
echo rm build
echo 'rm build'
echo "rm build"
echo rm\\ build
printf '%s\\n' 'rm build'
grep rm build
grep -r 'rm build' src
rg 'rm build'
git rm build
git commit -m 'rm build'
git commit -m "do not rm build; it is needed"
git log --grep='rm build'
git grep 'rm build'
docker rm build
npm rm build
npm test rm.js
apt rm build
ls rm
cat rm
which rm
type rm
command -v rm
man rm
whatis rm
touch rm
mkdir rm
cp rm build
alias
# rm build
true # rm build
cat <<'E'\n$(rm build)\nE\n
cat <<'E'\nrm build\nE\n
cat <<E\nrm build\nE\n
cat <<E\n\\$(rm build)\nE\n
cat <<"E"\n`rm build`\nE\n
echo '$(rm build)'
echo "\\$(rm build)"
echo \\`rm build\\`
echo '`rm build`'
echo "a; rm build"
echo 'a && rm build'
echo $'a; rm build'
echo a\\;rm build
[ -f rm ] && echo yes
[[ $x == rm ]] && echo yes
case $x in rm) echo yes;; esac
for x in rm build; do echo "$x"; done
x=$(git status); echo "$x"
x=(a b c); echo "${x[0]}"
echo "${x:-none}"
while read -r line; do echo "$line"; done < list
if [ -n "$(git status --porcelain)" ]; then echo dirty; fi
[ -n "$x" ] && [ "$(ls | wc -l)" -gt 3 ] && echo many
timeout 5 echo rm
xargs echo rm < list
find . -name 'rm'
find . -name '*.o' -exec ls {} +
curl -d 'rm build' http://localhost
gh pr create --body 'rm build'
python3 script.py --name x
python3 -c 'print("form")'
sed 's/warm/cold/' list
awk '{ print $1 }' list
tar czf x.tgz src
make all
npm run build && npm test
env A=b make
bash script.sh
echo $((1 + 2)) $HOME $? "$@"
f() { echo "$1"; }; f x
cat <<E | tee list\n$x\nE\n
diff <(ls a) <(ls b)
"""

ONLY_ALLOWED = r"""
npm test
npm test -- --watch=false
npm   test
'npm' test
npm 'test'
npm "test" -v
npm test && npm test
npm test; npm test
npm test | tail -5
npm test 2>&1 | grep -c ok
npm test > out.txt
npm test >> out.txt 2>&1
npm test &> out.txt
npm test 2>/dev/null
npm test < in.txt
npm test &
CI=1 npm test
CI=1 NO_COLOR=1 npm test
timeout 60 npm test
timeout -k 5 60 npm test
nice npm test
nice -n 5 npm test
nohup npm test
command npm test
npm test $X
npm test "$X" '*.js'
npm test *.js
npm test {a,b}
npm test \\\n  -v
(npm test)
(npm test; npm test)
{ npm test; }
! npm test
if npm test; then echo ok; fi
if npm test; then echo ok; else echo no; fi
for x in a b; do npm test $x; done
for ((i=0;i<3;i++)); do npm test $i; done
while npm test; do :; done
until npm test; do echo again; done
case $X in a|b) npm test;; *) ls;; esac
[[ -f x ]] && npm test
[ -f x ] || npm test
((x > 1)) && npm test
f() { npm test "$1"; }; f -v
f() { npm test; }; f && f
n=3; npm test $n
bash -c 'npm test'
bash -c 'npm test && npm test'
sh -c "npm test"
npm test # with a comment
# first\nnpm test
npm test\n\nnpm test\n
npm test <<E\nyes\nE\n
npm test <<'E'\n$(x)\nE\n
npm test <<< yes
cd src && npm test
ls; npm test; git status
echo "$(npm test)"
npm test | wc -l
"""

RUN_MORE = r"""
npm test && make
npm test || make
npm test; make
npm test | make
npm test |& make
npm test & make
npm test\nmake
npm test\\\n; make
npm test \n make
npm test\n\\make
make && npm test
(npm test; make)
{ npm test; make; }
npm test $(make)
npm test "$(make)"
npm test `make`
npm test "`make`"
npm test <(make)
npm test >(make)
npm test > >(make)
npm test < <(make)
npm test <<E\n$(make)\nE\n
npm test <<E\n`make`\nE\n
npm test <<E; make\nx\nE\n
npm test <<'E'\nx\nE\nmake
npm test <<-E\n\tx\n\tE\nmake
npm test <<< $(make)
npm test ${X:-$(make)}
npm test $(( $(make) ))
npm test {a,$(make)}
X=$(make) npm test
X=`make` npm test
x=$(make); npm test
if npm test; then make; fi
if make; then npm test; fi
for x in $(make); do npm test; done
for x in a; do npm test; make; done
while make; do npm test; done
case $(make) in *) npm test;; esac
case x in x) npm test; make;; esac
case x in $(make)) npm test;; esac
[[ -f $(make) ]] && npm test
[ -f "$(make)" ] && npm test
((x[$(make)])) ; npm test
f() { npm test; make; }; f
f() { "$@"; }; f make; npm test
npm() { make; }; npm test
function npm { make; }; npm test
test() { make; }; npm test; test
alias npm=make; npm test
PATH=. npm test
PATH=.; npm test
export PATH=.; npm test
LD_PRELOAD=./x.so npm test
NODE_OPTIONS='--require ./x' npm test
BASH_ENV=./x bash -c 'npm test'
env A=b npm test
env make npm test
sudo npm test
exec npm test; make
npm test; exec make
trap make EXIT; npm test
npm test; trap 'make' EXIT
bash -c 'npm test; make'
bash -c "npm test $X"
bash -c 'npm test' make; make
eval 'npm test; make'
eval "npm test $X"
npm test | bash
npm test | sh
npm test | xargs make
npm test | tee /etc/hosts
xargs npm test; make
find . -exec npm test \\; -exec make \\;
npm tests
npmtest
npm 'test x; make'x
'npm test'
"npm test"
npm\\ test
npm $X
$X test
n{pm,} test
npm te?t
npm test > ../out.txt
npm test > /etc/passwd
npm test >> ~/.bashrc
npm test > $OUT
npm test > .git/hooks/pre-commit
npm test > .pegboard/settings.toml
npm test < /etc/shadow
npm test 2> /tmp/../etc/x
npm test > "$(make)"
cd / && npm test > x
cd .. && npm test > x
cd $X && npm test > x
npm test; cd /etc; npm test > passwd
npm test 'open
npm test "open
npm test $(open
npm test )
npm test; }; make
npm test; fi
npm test <<E\nnever ended
npm test; source ./x
npm test; . ./x
npm test; hash -p /bin/make npm; npm test
npm test; enable -f ./x.so npm
npm test; shopt -s expand_aliases; alias npm=make\nnpm test
npm test; coproc make
npm test; time make
npm test; ! make
npm test; command make
npm test; builtin source ./x
npm test; nohup make
npm test; nice make
npm test; timeout 5 make
npm test; x='a[$(make)]'; echo $((x))
npm test ${!X}
npm test ${X@P}
npm test\u00a0x; make
npm\u00a0test
npm test\r\nmake\r
npm test \x0b; make
npm test ;; make
npm test &&& make
npm test | | make
"""


def commands(text: str) -> list[str]:
    r"""Return the commands of a list, one a line; in a line `\n`, `\t` and the like stand for what they say."""
    found = []
    for line in text.strip("\n").split("\n"):
        for written, meant in (("\\\\", "\0"), ("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\x0b", "\x0b")):
            line = line.replace(written, meant)
        line = line.replace("\\x0c", "\x0c").replace("\\u00a0", "\u00a0")
        found.append(line.replace("\0", "\\"))
    return found
