package vips_test
import ("testing";"fmt";"time";"syscall";"github.com/tintype/tintype/transform";"github.com/tintype/tintype/transform/vips")
func cpu() time.Duration { var u syscall.Rusage; syscall.Getrusage(0,&u); return time.Duration(u.Utime.Nano()+u.Stime.Nano()) }
func BenchmarkPair(b *testing.B){
 for _, c := range benchmarks(b) {
  j := job(b, c.original, c.query, c.format); plan, _ := j.Options.Plan(j.Header.Upright()); e := vips.New()
  var a, p, h time.Duration
  n := 40
  for i := range n+3 { if i == 3 {a,p,h=0,0,0}
   t := cpu(); transform.ReadHeader(j.Original); h += cpu()-t
   t = cpu(); e.Transform(b.Context(), j); a += cpu()-t
   t = cpu(); plain(j, plan); p += cpu()-t }
  fmt.Printf("%-28s header %.2f engine %.2f plain %.2f  %+.1f%%\n", c.name, ms(h,n), ms(a,n), ms(p,n), 100*(float64(a+h)/float64(p)-1))
 }
}
func ms(d time.Duration, n int) float64 { return float64(d)/1e6/float64(n) }
