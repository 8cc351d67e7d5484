# Deals the sequences of a FASTA file out to reads.0.fa, reads.1.fa ... in turn; -v parts=N.
/^>/ { file = "reads." (seen++ % parts) ".fa" }
{ print > file }
