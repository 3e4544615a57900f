#!/bin/sh
# lisp.sh EXAMPLE -- compares what programs print with what awk prints, over holdfast and over
# malloc. Each error must be told with its line.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
has_usage "x -x" "x y" "x --heap=0" "x --heap=x"

# Under an emulator, where each start takes long, there are fewer runs.
allocators='--stats --malloc'
[ -z "$emulator" ] || allocators=--stats
cases=0

# prints NAME: the program NAME.lisp prints what is in `expected`.
prints() {
    for allocator in $allocators; do
        example "$1.lisp" "$allocator" >found 2>complaint || wrong "$1 $allocator: $(cat complaint)"
        sed '/^holdfast .*blocks/,$d' found >printed
        same expected printed
    done
}

# fails LINE MESSAGE [OPTION...]: the program in wrong.lisp fails at that line.
fails() {
    said="wrong.lisp:$1: $2"
    shift 2
    for allocator in $allocators; do
        example wrong.lisp "$allocator" "$@" >found 2>complaint && status=0 || status=$?
        [ "$status" -eq 1 ] || wrong "'$said': exit status $status"
        [ "$(tr -d '\r' <complaint)" = "lisp: $said" ] || wrong "not '$said': $(cat complaint)"
    done
}

cat >recursion.lisp <<'END_OF_PROGRAM'
; Calls: many, deep ones, and in tail position.
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(print (fib 20))
(define (sum n) (if (= n 0) 0 (+ n (sum (- n 1)))))
(print (sum 20000))
(define (even n) (if (= n 0) t (odd (- n 1))))
(define (odd n) (if (= n 0) nil (even (- n 1))))
(print (even 300001))
END_OF_PROGRAM
awk 'function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }
     BEGIN { print fib(20); print 20000 * 20001 / 2; print "nil" }' >expected
prints recursion

cat >queens.lisp <<'END_OF_PROGRAM'
(define (safe column distance others)
  (if (= others nil) t
      (if (= (car others) column) nil
          (if (= (car others) (+ column distance)) nil
              (if (= (car others) (- column distance)) nil
                  (safe column (+ distance 1) (cdr others)))))))
(define (count column size others row)
  (if (= column size) 0
      (+ (if (safe column 1 others) (place size (cons column others) (+ row 1)) 0)
         (count (+ column 1) size others row))))
(define (place size others row) (if (= row size) 1 (count 0 size others row)))
(print (place 4 nil 0))
(print (place 7 nil 0))
END_OF_PROGRAM
printf '%s\n' 2 40 >expected
prints queens

cat >text.lisp <<'END_OF_PROGRAM'
(define (join from to) (if (= from to) "" (concat (concat from ",") (join (+ from 1) to))))
(print (join 0 500))
(print (length (join 0 500)))
(print "two\nlines, \"quoted\" and a \\")
(print (= (concat "a" "b") "ab"))
(print (quote (a (b "c") () -7)))
(print (cons 1 (cons 2 3)))
END_OF_PROGRAM
awk 'BEGIN {
    for (i = 0; i < 500; i++) text = text i ","
    print text; print length(text)
    print "two\nlines, \"quoted\" and a \\"; print "t"; print "(a (b c) nil -7)"; print "(1 2 . 3)"
}' >expected
prints text

cat >sort.lisp <<'END_OF_PROGRAM'
(define numbers (vector))
(define (fill n seed)
  (if (< 0 n) (begin (push! numbers seed) (fill (- n 1) (% (+ (* seed 8121) 28411) 134456)))))
(fill 2000 1)
(define (split list small large pivot then)
  (if (= list nil) (then small large)
      (if (< (car list) pivot)
          (split (cdr list) (cons (car list) small) large pivot then)
          (split (cdr list) small (cons (car list) large) pivot then))))
(define (sort list rest)
  (if (= list nil) rest
      (split (cdr list) nil nil (car list)
             (lambda (small large) (sort small (cons (car list) (sort large rest)))))))
(define (to-list i list) (if (= i 0) list (to-list (- i 1) (cons (get numbers (- i 1)) list))))
(define (print-all list) (if list (begin (print (car list)) (print-all (cdr list)))))
(print-all (sort (to-list 2000 nil) nil))
(set-item! numbers 0 (length numbers))
(print (get numbers 0))
END_OF_PROGRAM
awk 'BEGIN { x = 1; for (i = 0; i < 2000; i++) { print x; x = (x * 8121 + 28411) % 134456 } }' |
    sort -n >expected
echo 2000 >>expected
prints sort

cat >closures.lisp <<'END_OF_PROGRAM'
(define (counter)
  (let ((n 0))
    (lambda (by) (set! n (+ n by)))))
(define a (counter))
(define b (counter))
(a 5) (b 1) (a 5)
(print (cons (a 0) (b 0)))
(define (twice f) (lambda (x) (f (f x))))
(print (((twice twice) (lambda (x) (* 3 x))) 1))
(print (let ((n 3) (loop nil))
  (set! loop (lambda (list) (if (= n 0) list (begin (set! n (- n 1)) (loop (cons n list))))))
  (loop nil)))
END_OF_PROGRAM
printf '%s\n' '(10 . 1)' 81 '(0 1 2)' >expected
prints closures

# The same from standard input. (The emulator may have none.)
if [ -z "$emulator" ]; then
    "$program" - <closures.lisp >found
    same expected found
fi

# The code of a long function grows often, also within let, and in the middle of other functions.
awk 'BEGIN {
    print "(define (f x) 0"
    for (i = 0; i < 300; i++) printf "(let ((y %d)) (set! x (+ x y)) (lambda () x y))\n", i
    print "x)\n(print (f 1))"
}' >long.lisp
echo 44851 >expected
prints long

# In all this needs 20 MB: vectors that contain themselves, which only a collector frees.
cat >garbage.lisp <<'END_OF_PROGRAM'
(define (waste n)
  (if (< 0 n) (let ((v (vector))) (push! v v) (push! v (concat "text " n)) (waste (- n 1)))))
(define kept (vector))
(push! kept (concat "still " "here"))
(waste 100000)
(print (get kept 0))
END_OF_PROGRAM
for allocator in $allocators; do
    example garbage.lisp "$allocator" --heap=4 >found || wrong "frees no garbage"
    grep -qx "still here" found || wrong "garbage: $(cat found)"
done

# is_wrong LINE MESSAGE PROGRAM
is_wrong() {
    cases=$((cases + 1))
    [ -z "$emulator" ] || [ $((cases % 4)) -eq 1 ] || return 0
    printf '%s' "$3" >wrong.lisp
    fails "$1" "$2"
}

is_wrong 2 'this ( has no )' '(print 1)
(print (+ 1
2)'
is_wrong 3 'this ) has no (' '(print
1)
)'
is_wrong 1 'this string has no end' '(print "a

)'
is_wrong 2 'too many lists within lists' "
$(awk 'BEGIN { for (i = 0; i < 1000; i++) printf "(" }')"
is_wrong 2 'the number is too large' '(print 4611686018427387903)
(print 4611686018427387904)'
is_wrong 3 'nothing has no value' '(print 1)
(define (f)
  nothing)
(f)'
is_wrong 1 'n has no value' '(set! n 1)'
is_wrong 3 '+ needs an integer, not a string' '(define (f x)

(+ 1 x)) (f "")'
is_wrong 1 'car needs a pair, not nil' '(car nil)'
is_wrong 1 '/ by 0' '(/ 1 0)'
is_wrong 1 'get: the vector has no item 0' '(get (vector) 0)'
is_wrong 2 'a string is no function' '
("f" 1)'
is_wrong 2 'the function has 1 parameters, not 2' '(define (f x) x)
(f 1 2)'
is_wrong 1 'define is not at the top level' '(lambda () (define x 1))'
is_wrong 1 'lambda is followed by 0 forms' '(lambda)'
is_wrong 1 'let needs names with values' '(let (x) x)'
is_wrong 1 'a name is missing' '(lambda (5) 5)'
is_wrong 2 'the recursion is too deep' '(define (f n)
  (+ 1 (f n)))
(f 1)'
is_wrong 2 'too many lists within lists' '(define v nil) (define (f n) (if (< 0 n) (begin (set! v (cons v nil)) (f (- n 1)))
(print v)))
(f 1000)'

# Programs that need more memory than there is, in small objects and in a vector.
printf '(define v (vector))\n(define (f n)\n(push! v n)\n(f (cons n n)))\n(f 1)\n' >wrong.lisp
for allocator in $allocators; do
    if example wrong.lisp "$allocator" --heap=4 >found 2>complaint; then wrong "needs no memory"; fi
    grep -q '^lisp: wrong.lisp:[34]: out of memory: the heap has 4 MiB' complaint ||
        wrong "out of memory: $(cat complaint)"
done
if example nowhere.lisp 2>complaint; then wrong "found nowhere.lisp, which is not there"; fi
grep -q '^lisp: nowhere.lisp: .' complaint || wrong "said: $(cat complaint)"

# Both tables, and the output only once.
example queens.lisp --compare >found
cat found
[ "$(grep -cx '40' found)" -eq 1 ] || wrong "printed more than once"
for row in 'holdfast  *blocks' 'malloc  *blocks' 'first run' compiling running freeing total; do
    grep -q "^$row " found || wrong "no row $row"
done
