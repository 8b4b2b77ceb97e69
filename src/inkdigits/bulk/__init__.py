"""Bulk reading: everything in a folder, an archive or a bucket into one data set.

    import inkdigits
    result = inkdigits.batch("scans", "readings")        # threads of this machine
    result = inkdigits.batch("s3://archive/scans", "s3://archive/readings", ray="auto")

The extra `inkdigits[scale]` has what it needs.
"""

from inkdigits.bulk.batch_reading import BatchResult, batch
from inkdigits.bulk.reviewed_rows import apply_review

__all__ = ["BatchResult", "apply_review", "batch"]
