#!/bin/sh
# Removes from an environment what a running Orgtrail never loads: half of its size. `make deploy-test` builds the
# image and runs every process in it.
set -eu
cd "$1"/lib/python3*/site-packages

# Arrow's client for Flight and its file system for S3, and what is for compilers.
rm -rf pyarrow/libarrow_flight* pyarrow/libarrow_python_flight* pyarrow/_flight* \
  pyarrow/libarrow_s3* pyarrow/_s3fs* pyarrow/include pyarrow/includes pyarrow/src
# Three copies of one library: only the middle name is linked to.
rm -f pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*.*
# Invented names in a hundred languages, for the examples of an OpenAPI description that has its own.
find faker/providers -mindepth 2 -maxdepth 2 -type d ! -name en_US -exec rm -rf {} +

find . -type d -name tests -prune -exec rm -rf {} +
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' \) -delete
find . -type f -name '*.so*' -exec strip --strip-unneeded {} +
# The file system is read-only when it runs, so bytecode is made now.
python3 -m compileall -q .
