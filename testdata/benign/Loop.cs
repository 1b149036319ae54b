public static class Loop {
	static int Hot(int n) { int s = 0; for (int i = 0; i < n; i++) s = (s * 31 + i) % 7919; return s; }
	public static void Main() { Hot(3000000); while (Hot(1000) >= 0) System.Threading.Thread.Sleep(200); }
}
