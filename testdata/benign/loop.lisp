(defun hot (n) (let ((s 0)) (dotimes (i n s) (setf s (mod (+ (* s 31) i) 7919)))))
(compile 'hot)
(hot 3000000)
(loop (hot 1000) (sleep 0.2))
