# SPDX-License-Identifier: Apache-2.0
#
# The graphs can be drawn: the programs' checks of themselves.

python=/usr/bin/python3 # Debian's own: another one on PATH sees none of Debian's modules
"$python" -c 'import matplotlib, pandas' 2>/dev/null || { echo "plot: no matplotlib or pandas"; exit 77; }
"$python" harness/plot_designs.py --check && exec "$python" harness/plot.py --check
