/* Hot enough for both of HotSpot's compilers. */
public class Loop {
	static int hot(int n) {
		int s = 0;
		for (int i = 0; i < n; i++)
			s = (s * 31 + i) % 7919;
		return s;
	}
	public static void main(String[] a) throws Exception {
		for (int i = 0; i < 3000; i++)
			hot(10000);
		while (hot(1000) >= 0)
			Thread.sleep(100);
	}
}
