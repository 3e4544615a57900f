# words.pl FILE -- counts the words of a source and the pairs of them, and sorts.
use strict;
use warnings;

my (%count, %lines, %pairs);
open my $file, '<', $ARGV[0] or die "$ARGV[0]: $!";
while (my $line = <$file>) {
    my @words = $line =~ /[A-Za-z_]\w*/g;
    for my $at (0 .. $#words) {
        $count{$words[$at]}++;
        push @{$lines{$words[$at]}}, $.;
        $pairs{"$words[$at - 1] $words[$at]"}++ if $at > 0;
    }
}
my @words = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
print "$_ $count{$_} ", join(',', @{$lines{$_}}), "\n" for @words;
my @pairs = sort { $pairs{$b} <=> $pairs{$a} || $a cmp $b } keys %pairs;
print "$_ $pairs{$_}\n" for @pairs;
