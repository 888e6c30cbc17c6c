"""All measurements, one after the other: `make bench`."""

from benchmarks import accept, consume, visible

for measurement in (accept, consume, visible):
    print(f"\n{(measurement.__doc__ or '').splitlines()[0]}", flush=True)
    measurement.main()
