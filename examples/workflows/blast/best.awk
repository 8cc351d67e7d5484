# The best hit of each read: read, gene, identity in percent, length. Wants its lines sorted by read and score.
$1 != last { print $1, $2, $3, $4; last = $1 }
