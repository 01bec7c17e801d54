package vips_test
import ("testing";"fmt";"time"
govips "github.com/davidbyttow/govips/v2/vips")
func TestZZ(t *testing.T){
	base, _ := govips.NewImageFromGoImage(scene(300,200,false))
	defer base.Close()
	for name, f := range map[string]func(*govips.ImageRef){
		"copy": func(r *govips.ImageRef){},
		"extract": func(r *govips.ImageRef){ r.ExtractArea(0,0,300,200)},
		"resize": func(r *govips.ImageRef){ p,_ := r.CopyChangingInterpretation(govips.InterpretationMultiband); p.ResizeWithVScale(.5,.5,govips.KernelLanczos3); p.Close()},
		"resizeh": func(r *govips.ImageRef){ p,_ := r.CopyChangingInterpretation(govips.InterpretationMultiband); p.ResizeWithVScale(.5,1,govips.KernelLanczos3); p.Close()},
		"resizev": func(r *govips.ImageRef){ p,_ := r.CopyChangingInterpretation(govips.InterpretationMultiband); p.ResizeWithVScale(1,.5,govips.KernelLanczos3); p.Close()},
		"resize+eval": func(r *govips.ImageRef){ p,_ := r.CopyChangingInterpretation(govips.InterpretationMultiband); p.ResizeWithVScale(.5,.5,govips.KernelLanczos3); p.DrawRect(govips.ColorRGBA{},-2,-2,1,1,true); p.Close()},
		"eval": func(r *govips.ImageRef){ p,_ := r.CopyChangingInterpretation(govips.InterpretationMultiband); p.DrawRect(govips.ColorRGBA{},-2,-2,1,1,true); p.Close()},
	} {
		t0 := time.Now()
		for range 300 { r,_ := base.Copy(); f(r); r.Close() }
		fmt.Println(name, time.Since(t0)/300)
	}
}
