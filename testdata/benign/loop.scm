(define (hot n) (let loop ((i 0) (s 0)) (if (= i n) s (loop (+ i 1) (modulo (+ (* s 31) i) 7919)))))
(hot 3000000)
(let forever () (hot 1000) (usleep 200000) (forever))
