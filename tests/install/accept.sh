#!/usr/bin/env bash
# `./dev accept`: does a fresh clone of HEAD work on a minimal Debian, with nothing but bash and apt? debootstrap makes the
# Debian (kept in build/accept/base for the next time), the commands of the README run inside as root in a mount and process
# namespace of their own. How to reach the package registries (proxies, certificates, mirrors) is taken from this machine.
#
# usage: accept.sh MIRROR SUITE [COMMAND...]     the commands default to './dev demo' and './dev test'
set -euo pipefail

mirror=$1 suite=$2
shift 2
if (($# == 0)); then set -- './dev demo' './dev test'; fi
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work="$top/build/accept" root="$top/build/accept/root" place=/srv/noex-cluster
((EUID == 0)) || { echo "accept: must run as root: it makes a Debian root" >&2; exit 2; }

mkdir -p "$work"
if [[ ! -e $work/base-$suite/.done ]]; then
  echo "· debootstrap $suite"
  rm -rf "$work/base-$suite"
  debootstrap --variant=minbase "$suite" "$work/base-$suite" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
  touch "$work/base-$suite/.done"
fi
rm -rf --one-file-system "$root"
cp -a --reflink=auto "$work/base-$suite" "$root"
git -C "$top" clone -q --no-hardlinks "$top" "$root$place"
echo "· a fresh clone of $(git -C "$root$place" log -1 --format='%h %s')"
if [[ -n $(git -C "$top" status --porcelain) ]]; then echo "· note: the work tree has changes that are not committed, so they are not tried here"; fi

# The machine's own Debian sources, and what its apt needs to reach them.
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
  awk '$3 == "main" && ($4 == "Debian" || $4 ~ /^\$/) { print "deb", $1, $2, $3 }' | sort -u >"$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(http|https|Retries|Check-)' >"$root/etc/apt/apt.conf.d/90machine" || true
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
grep -hE 'localhost|ip6-' /etc/hosts >"$root/etc/hosts" 2>/dev/null || echo '127.0.0.1 localhost' >"$root/etc/hosts"

environment=(HOME=/root LANG=C.UTF-8 "TERM=${TERM:-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL PIP_DEFAULT_TIMEOUT npm_config_registry; do
  [[ -z ${!name:-} ]] || environment+=("$name=${!name}")
done
if [[ -e /etc/ssl/certs/ca-certificates.crt ]]; then  # perhaps with a certificate that only this machine knows
  install -D -m 644 -T "$(readlink -f /etc/ssl/certs/ca-certificates.crt)" "$root/etc/machine-ca.crt"
  for name in PIP_CERT NODE_EXTRA_CA_CERTS npm_config_cafile SSL_CERT_FILE; do environment+=("$name=/etc/machine-ca.crt"); done
fi

status=0 report=()
for command in "$@"; do
  echo "· $command"
  started=$SECONDS
  if unshare --mount --pid --fork --kill-child bash -c '
      set -e
      root=$1 place=$2 command=$3
      shift 3
      mount -t proc proc "$root/proc"
      mount --rbind /dev "$root/dev"
      mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
      exec chroot "$root" /usr/bin/env -i "$@" bash -c "cd \"\$1\" && eval \"\$2\"" accept "$place" "$command"
    ' accept "$root" "$place" "$command" "${environment[@]}" </dev/null; then
    verdict=passed
  else
    verdict="FAILED ($?)" status=1
  fi
  report+=("$(printf '%-14s %-14s %4d s' "$command" "$verdict" $((SECONDS - started)))")
done

printf '\nIn a minimal Debian %s, from a fresh clone:\n' "$suite"
printf '  %s\n' "${report[@]}"
exit $status
