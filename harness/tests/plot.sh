# SPDX-License-Identifier: Apache-2.0
#
# The graphs can be drawn: plot.py's check of itself on the committed data.

python=/usr/bin/python3 # Debian's own: another one on PATH sees none of Debian's modules
"$python" -c 'import matplotlib, pandas' 2>/dev/null || { echo "plot: no matplotlib or pandas"; exit 77; }
exec "$python" harness/plot.py --check
