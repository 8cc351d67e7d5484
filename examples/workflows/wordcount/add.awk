# Adds up lines "COUNT WORD" by word.
NF == 2 { count[$2] += $1 }
END { for (word in count) print count[word], word }
