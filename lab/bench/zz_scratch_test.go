package main
import ("testing";"fmt";"time")
func TestScratch(t *testing.T){
 for _,e := range []encoding{plain,tagged,tunnel} {
 for _,l := range []layout{{1,1},{1,65536},{4000,65536}} {
 for _,m := range []string{"64","imix"} {
 mix,_ := parseMix(m)
 g,err := newGenerator(stream{direction:toCloud,encoding:e,mix:mix,layout:l},1)
 if err!=nil {t.Fatal(err)}
 best := time.Hour
 for range 5 {
 _,d,err := g.objects.Generate.Benchmark(g.data, 1000000, nil)
 if err!=nil {t.Fatal(err)}
 if d<best {best=d}
 }
 fmt.Println(e,l,m,best)
 }}}
 b := time.Hour
 for range 5 { s:=time.Now(); x:=uint64(1); for i:=0;i<100000000;i++ { x = x*6364136223846793005+1442695040888963407 }; d:=time.Since(s); if d<b {b=d}; _ = x; if x==7 {fmt.Println()} }
 fmt.Println("spin 100M mul-add", b)
}
