#!/bin/sh
# lisp.sh EXAMPLE -- compares what programs print with what awk prints, over holdfast and over
# malloc. Each error must be told with its line.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
has_usage "x -x" "x y" "x --stats y"

# Under an emulator, where each start takes long, there are fewer runs.
allocators='holdfast malloc'
[ -z "$emulator" ] || allocators=holdfast
cases=0

# runs ALLOCATOR FILE
runs() { if [ "$1" = malloc ]; then example "$2" --malloc; else example "$2"; fi; }

# prints NAME: the program NAME.lisp prints what is in `expected`.
prints() {
    for allocator in $allocators; do
        runs "$allocator" "$1.lisp" >found 2>complaint || wrong "$1 $allocator: $(cat complaint)"
        same expected found
    done
}

# is_wrong LINE MESSAGE PROGRAM: the program fails at that line.
is_wrong() {
    cases=$((cases + 1))
    [ -z "$emulator" ] || [ $((cases % 4)) -eq 1 ] || return 0
    printf '%s' "$3" >wrong.lisp
    for allocator in $allocators; do
        runs "$allocator" wrong.lisp >found 2>complaint && status=0 || status=$?
        [ "$status" -eq 1 ] || wrong "'$2' $allocator: exit status $status"
        [ "$(tr -d '\r' <complaint)" = "lisp: wrong.lisp:$1: $2" ] ||
            wrong "not '$1: $2' $allocator: $(cat complaint)"
    done
}

cat >recursion.lisp <<'END_OF_PROGRAM'
; Calls: many, deep ones, and in tail position.
(define fib (lambda (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))))
(print (fib 20))
(define sum (lambda (n) (if (= n 0) 0 (+ n (sum (- n 1))))))
(print (sum 3000))
(define even (lambda (n) (if (= n 0) 1 (odd (- n 1)))))
(define odd (lambda (n) (if (= n 0) 0 (even (- n 1)))))
(print (even 300001))
END_OF_PROGRAM
awk 'function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }
     BEGIN { print fib(20); print 3000 * 3001 / 2; print 0 }' >expected
prints recursion

cat >sort.lisp <<'END_OF_PROGRAM'
(define modulo (lambda (a b) (if (< a b) a (modulo (- a b) b))))
(define fill (lambda (n x list)
  (if (= n 0) list (fill (- n 1) (modulo (+ (+ x (+ x x)) 28411) 134456) (cons x list)))))
; The continuation `then` is a closure that refers to the frames around it.
(define split (lambda (list small large pivot then)
  (if (= list nil) (then small large)
      (if (< (car list) pivot)
          (split (cdr list) (cons (car list) small) large pivot then)
          (split (cdr list) small (cons (car list) large) pivot then)))))
(define sort (lambda (list rest)
  (if (= list nil) rest
      (split (cdr list) nil nil (car list)
             (lambda (small large) (sort small (cons (car list) (sort large rest))))))))
(define print-next (lambda (printed rest) (print-all rest)))
(define print-all (lambda (list) (if list (print-next (print (car list)) (cdr list)) nil)))
(print-all (sort (fill 2000 1 nil) nil))
END_OF_PROGRAM
awk 'BEGIN { x = 1; for (i = 0; i < 2000; i++) { print x; x = (x * 3 + 28411) % 134456 } }' |
    sort -n >expected
prints sort

cat >closures.lisp <<'END_OF_PROGRAM'
(define twice (lambda (f) (lambda (x) (f (f x)))))
(print (((twice twice) (lambda (x) (+ x (+ x x)))) 1))
(define a ((lambda (n) (lambda (by) (+ n by))) 5))
(define b ((lambda (n) (lambda (by) (- n by))) 1))
(print (a (b 3)))
(define a 7)
(print (+ a 4611686018427387903))
END_OF_PROGRAM
printf '%s\n' 81 3 -4611686018427387898 >expected
prints closures

# Long lists and long programs: the arrays in scratch memory grow, also within each other.
awk 'BEGIN {
    for (i = 0; i < 300; i++) printf "(print ((lambda (x) (f x (lambda (a b c d e f g h i) x))) %d))\n", i
    printf "(define g (lambda ("; for (i = 0; i < 300; i++) printf "p%d ", i
    printf ") (- p299 p1)))\n(print (g"; for (i = 0; i < 300; i++) printf " (+ 0 %d)", i; print "))"
}' >long.body
(echo '(define f (lambda (x y) x))'; cat long.body) >long.lisp
awk 'BEGIN { for (i = 0; i < 300; i++) print i; print 298 }' >expected
prints long

# This needs far more than the 16 MiB of the heap, if what is garbage is not freed; and at its end
# there is a list whose objects are too many for a recursion.
cat >garbage.lisp <<'END_OF_PROGRAM'
(define waste (lambda (n list) (if (= n 0) (car list) (waste (- n 1) (cons n (cons n nil))))))
(print (waste 200000 nil))
(define grow (lambda (n list) (if (= n 0) list (grow (- n 1) (cons list n)))))
(define nested (grow 50000 nil))
(define nested nil)
(print 2)
END_OF_PROGRAM
printf '%s\n' 1 2 >expected
prints garbage

is_wrong 2 'this ( has no )' '(print 1)
(print (+ 1
2)'
is_wrong 3 'this ) has no (' '(print
1)
)'
is_wrong 2 'too many lists within lists' "
$(awk 'BEGIN { for (i = 0; i < 1000; i++) printf "(" }')"
is_wrong 2 'the number is too large' '(print 4611686018427387903)
(print 4611686018427387904)'
is_wrong 3 'nothing has no value' '(print 1)
(define f (lambda ()
  nothing))
(f)'
is_wrong 3 'an integer is needed' '(define f (lambda (x)

(+ 1 x))) (f nil)'
is_wrong 2 'a pair is needed' '
(car
(lambda () 1))'
is_wrong 2 'a function is needed' '
(1 1)'
is_wrong 2 'the function has 1 parameters, not 2' '(define f (lambda (x) x))
(f (cons 1 2) 2)'
is_wrong 1 'define is not at the top level' '(lambda () (define x 1))'
is_wrong 1 '0 forms follow lambda' '(lambda)'
is_wrong 1 'lambda needs a list of names' '(lambda x x)'
is_wrong 1 'a name is missing' '(lambda (5) 5)'
is_wrong 1 '() calls nothing' '()'
is_wrong 2 'the recursion is too deep' '(define f (lambda (n)
  (+ 1 (f (cons n n)))))
(f 1)'

# malloc has no limit.
allocators=holdfast
is_wrong 2 'out of memory' '(define f (lambda (list)
  (f (cons 1 list))))
(f nil)'
if example nowhere.lisp 2>complaint; then wrong "found nowhere.lisp, which is not there"; fi
grep -q '^lisp: nowhere.lisp: .' complaint || wrong "said: $(cat complaint)"

# The table, and the output only once.
example sort.lisp --stats >found
tail -n 6 found
[ "$(grep -cx '1' found)" -eq 1 ] || wrong "printed more than once"
for row in program 'scratch 0' 'scratch 1' heap; do
    grep -q "^$row  *[1-9][0-9 ]* [1-9][0-9]*$" found || wrong "no row $row"
done
grep -q 's over holdfast, .* s over malloc$' found || wrong "no times"
