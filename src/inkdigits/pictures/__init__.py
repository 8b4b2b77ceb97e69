"""Pictures in any form: files, bytes, arrays, addresses and documents, to pixels within limits."""
