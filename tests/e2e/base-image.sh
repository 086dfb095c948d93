#!/usr/bin/env bash
# Makes a stand-in for AWS's Lambda base image of Python 3.13, for machines that reach no container registry:
# busybox, this machine's CPython with the shared libraries it needs, and the open-source runtime client and boto3
# from PyPI. Same paths and the same runtime client as AWS's image; not the same C library, Python build or system.
# Usage: base-image.sh TAG ROOTFS_DIR        Needs DOCKER_HOST (or the default engine), python3.13 and .venv.
set -euo pipefail
tag=${1:?usage: base-image.sh TAG ROOTFS_DIR}
root=${2:?usage: base-image.sh TAG ROOTFS_DIR}
repository=$(cd "$(dirname "$0")/../.." && pwd)
version=3.13
prefix=$(python$version -c 'import sys; print(sys.base_prefix)')
interpreter=$(python$version -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
stdlib=$(python$version -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')

fail() { echo "base-image: $*" >&2; exit 1; }

if ! [ -x /bin/busybox ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "/bin/busybox (statically linked) is needed"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends busybox-static; } \
    >"$root.apt.log" 2>&1 || { tail -n 20 "$root.apt.log" >&2; fail "apt-get failed"; }
fi

make_system() {
  rm -rf "$root"
  mkdir -p "$root"/{bin,dev,etc/ssl/certs,home,opt,proc,root,sys,tmp,usr/{bin,lib,lib64}} \
    "$root"/var/{lang/bin,lang/lib,rapid,runtime,task}
  ln -s usr/lib "$root/lib"
  ln -s usr/lib64 "$root/lib64"
  chmod 1777 "$root/tmp"
  cp /bin/busybox "$root/bin/busybox"
  (cd "$root/bin" && for applet in $(./busybox --list); do [ "$applet" = busybox ] || ln -sf busybox "$applet"; done)
  ln -s /bin/env "$root/usr/bin/env"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  echo 'root:x:0:0::/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
}

make_python() {
  cp -L "$interpreter" "$root/var/lang/bin/python$version"
  ln -s python$version "$root/var/lang/bin/python3"
  ln -s python$version "$root/var/lang/bin/python"
  # what a function never imports makes up most of the standard library's size
  tar -C "$(dirname "$stdlib")" -cf - --exclude=test --exclude=site-packages --exclude=dist-packages --exclude=idlelib \
    --exclude=tkinter --exclude=ensurepip --exclude='config-*' --exclude=__pycache__ "python$version" \
    | tar -C "$root/var/lang/lib" -xf -
  mkdir -p "$root/var/lang/lib/python$version/site-packages"
  # the loader, the libraries of the interpreter and its extension modules, name resolution, and what wheels link to
  {
    ldd "$interpreter" "$stdlib"/lib-dynload/*.so | awk '/=> \//{print $3} /^\t\/lib/{print $1}'
    for name in libnss_files libnss_dns libresolv libstdc++ libgcc_s libm libpthread libdl librt; do
      ls "/lib/$(uname -m)-linux-gnu/$name".so* "/usr/lib/$(uname -m)-linux-gnu/$name".so* 2>/dev/null || true
    done
  } | sort -u | while read -r library; do
    case $library in
      "$prefix"/lib/libpython*) target=/var/lang/lib/$(basename "$library") ;;
      *) target=$library ;;
    esac
    mkdir -p "$root$(dirname "$target")"
    cp -L "$library" "$root$target"
  done
}

make_runtime() {
  "$repository/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes \
    --python-version $version --implementation cp --only-binary=:all: --no-deps \
    --target "$root/var/runtime" -r "$repository/tests/e2e/runtime.lock"
  cat >"$root/var/runtime/bootstrap" <<'BOOTSTRAP'
#!/bin/sh
# SAM starts this through Lambda's runtime interface emulator; the handler's name is in _HANDLER.
export AWS_EXECUTION_ENV=AWS_Lambda_python3.13
export PYTHONPATH=${PYTHONPATH:+$PYTHONPATH:}/opt/python/lib/python3.13/site-packages:/opt/python:/var/runtime
exec $AWS_LAMBDA_EXEC_WRAPPER /var/lang/bin/python3.13 -m awslambdaric "${_HANDLER:-$1}"
BOOTSTRAP
  chmod 755 "$root/var/runtime/bootstrap"
}

make_system
make_python
make_runtime
libraries=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib
tar -C "$root" --owner=0 --group=0 --numeric-owner -cf - . | docker import \
  --change 'ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin' \
  --change "ENV LD_LIBRARY_PATH=$libraries" \
  --change 'ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime LANG=en_US.UTF-8 TZ=:/etc/localtime' \
  --change 'WORKDIR /var/task' - "$tag" >/dev/null
rm -rf "$root"
docker run --rm --network none --entrypoint /var/lang/bin/python$version --env PYTHONPATH=/var/runtime "$tag" \
  -c 'import awslambdaric, botocore, runtime_client, ssl' || fail "the image does not hold what its runtime needs"
