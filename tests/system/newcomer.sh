#!/usr/bin/env bash
# A newcomer's first hour: `make serve` in a clean clone with an empty home, `pip install` from its index into a new
# environment, a model trained with what was installed, and a second `make serve` that builds nothing.
#   tests/system/newcomer.sh [REPOSITORY] [PORT]
set -euo pipefail
repository=$(realpath "${1:-$(dirname "$0")/../..}")
port=${2:-8765}
place=$(mktemp -d)
server=

finish() {
  local status=$?
  [ -z "$server" ] || { kill -TERM -- "-$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
  [ "$status" = 0 ] || { echo "-- what make serve said:"; tail -n 60 "$place"/serve-*.log; }
  rm -rf "$place"
  exit "$status"
}
trap finish EXIT

serve() {  # serve LOG SECONDS: starts make serve and waits until it tells the way in
  local log=$place/$1 began=$SECONDS
  # In a session of its own, so that one signal reaches make and everything below it.
  setsid make -C "$place/flambeau" serve PORT="$port" >"$log" 2>&1 &
  server=$!
  until grep -q "Serving until Ctrl-C" "$log"; do
    kill -0 "$server" 2>/dev/null || { echo "make serve ended before it served"; return 1; }
    [ $((SECONDS - began)) -lt "$2" ] || { echo "make serve took more than $2 s"; return 1; }
    sleep 0.2
  done
}

stop() {  # stops make serve and everything below it: make itself ends first, so wait for the whole session
  # SIGTERM: a shell without a terminal starts its background processes deaf to SIGINT.
  kill -TERM -- "-$server"
  wait "$server" || true
  local began=$SECONDS
  while kill -0 -- "-$server" 2>/dev/null; do
    [ $((SECONDS - began)) -lt 30 ] || { echo "make serve took more than 30 s to stop"; return 1; }
    sleep 0.1
  done
  server=
}

git clone -q "$repository" "$place/flambeau"
export HOME=$place/home
mkdir -p "$HOME"

began=$SECONDS
serve serve-1.log 1500
echo "-- released after $((SECONDS - began)) s"
grep -q "pip install --index-url http://127.0.0.1:$port/simple/ flambeau" "$place/serve-1.log"

python3 -m venv "$place/own"
"$place/own/bin/pip" install -q --disable-pip-version-check --index-url "http://127.0.0.1:$port/simple/" flambeau
cd "$place"  # so that nothing is imported from the checkout
own/bin/python - <<'TRAIN'
import flambeau as fl

fl.manual_seed(0)
x = fl.random.normal((256, 4))
target = fl.astype(fl.sum(x, axis=1) > 0, fl.int64)
net = fl.nn.Sequential(fl.nn.Linear(4, 16), fl.nn.ReLU(), fl.nn.Linear(16, 2))
optimizer = fl.optim.AdamW(net.parameters(), lr=0.02)
for _ in range(200):
    loss = fl.nn.functional.cross_entropy(net(x), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
right = float(fl.mean(fl.astype(fl.argmax(net(x), axis=1) == target, fl.float32)))
print(f"-- installed flambeau {fl.__version__} from {fl.__file__}; trained to {right:.1%}")
assert right > 0.95
TRAIN

stop
began=$(date +%s%N)
serve serve-2.log 60
took_ms=$((($(date +%s%N) - began) / 1000000))
echo "-- the second make serve told the way in after $took_ms ms"
if grep -qiE "building|compiling" "$place/serve-2.log"; then echo "the second make serve built something"; exit 1; fi
stop
echo "-- a newcomer's first hour: all went well"
