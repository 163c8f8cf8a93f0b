#!/usr/bin/env bash
# Unpack packages of a newer Debian into FOLDER, aside: the system's own packages stay as they are.
#
#   scripts/newer_debian.sh FOLDER PACKAGE ...      PACKAGE: a name, without what it depends on
#
# For Debian 12 and what is made from it. The release is the first whose Vulkan headers (1.4.309)
# are new enough for the pinned llama.cpp.
set -euo pipefail
newer=trixie
folder=$(mkdir -p "$1" && cd "$1" && pwd)
shift
aside=$folder/apt
mkdir -p "$aside/lists/partial" "$aside/cache/archives/partial"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $newer main" > "$aside/newer.list"
from_newer="-o Dir::Etc::SourceList=$aside/newer.list -o Dir::Etc::SourceParts=-
  -o Dir::State::Lists=$aside/lists -o Dir::Cache=$aside/cache -o APT::Sandbox::User=root"
apt-get $from_newer update -qq
for package; do
  (cd "$aside" && apt-get $from_newer download -qq "$package/$newer")
  dpkg -x "$aside/$package"_*.deb "$folder"
done
rm -r "$aside"
