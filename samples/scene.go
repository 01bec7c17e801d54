package samples

import (
	"image"
	"math/rand/v2"
)

// Dusk, Noon and Night are seeds of [SceneSeed] for the same landscape.
const (
	Dusk uint64 = iota
	Noon
	Night
)

// Scene draws a mountain lake at dusk, w × h pixels. It has smooth gradients in the sky and
// fine texture below, and is made for landscape formats.
func Scene(w, h int) image.Image { return SceneSeed(w, h, Dusk) }

// SceneSeed is Scene with mountains, clouds and trees of another seed. The seed
// modulo 3 is the time of day, as [Dusk], [Noon] and [Night].
func SceneSeed(w, h int, seed uint64) image.Image {
	w, h = max(w, 1), max(h, 1)
	s := &scene{
		mood:  &moods[seed%3],
		out:   image.NewRGBA(image.Rect(0, 0, w, h)),
		w:     w,
		h:     h,
		unit:  1 / float32(h),
		noise: newNoise(seed + 11),
		seed:  uint32(seed),
	}
	s.shore = int(horizon * float32(h))
	s.raise()
	s.paintLand()
	s.paintLake()
	s.paintBank()
	s.paintTrees()
	s.develop()
	return s.out
}

const (
	horizon = 0.615 // the top edge of the lake, from the top of the picture
	skyStep = 4     // pixels between the points at which the sky is computed
)

// A scene is a landscape that is painted from back to front. Lengths are in heights of the
// picture, so that it looks the same at every size.
type scene struct {
	*mood
	out   *image.RGBA
	w, h  int
	unit  float32 // the height of a pixel
	shore int     // the first row of the lake
	noise *noise
	seed  uint32

	ridges [len(ranges)][]float32 // the row of the crest in each column
}

// A mood is the light of a time of day.
type mood struct {
	sky                  ramp // by height above the lake
	light                [2]float32
	glow, core           rgb
	glowSize             float32
	cloud, cloudShade    rgb
	cover, clouds, drift float32 // how much of the sky, how dense, where
	haze                 rgb
	land                 [len(ranges)][2]rgb // in the light and in the shade
	snow                 float32
	water                rgb
	clarity              float32 // of the lake's mirror
	glitter              rgb
	bank, bankLit        rgb
	needles, needlesLit  rgb
	stars, grain, moon   float32
	contrast, saturation float32
}

// ranges are the mountains from back to front: the height of their foot and of their crests,
// the density of the crests, and the haze before them.
var ranges = [...]struct{ foot, height, density, haze float32 }{
	{0.075, 0.36, 1.15, 0.5},
	{0.045, 0.23, 1.7, 0.36},
	{0.02, 0.13, 2.6, 0.17},
	{0.006, 0.035, 5, 0.04},
}

var moods = [3]mood{
	Dusk: {
		sky: ramp{
			{0, rgb{255, 190, 112}}, {0.1, rgb{252, 158, 98}}, {0.22, rgb{222, 118, 110}},
			{0.38, rgb{138, 92, 134}}, {0.62, rgb{52, 58, 112}},
		},
		light: [2]float32{0.94, 0.135}, glow: rgb{150, 78, 22}, core: rgb{255, 236, 190}, glowSize: 0.24,
		cloud: rgb{255, 150, 105}, cloudShade: rgb{92, 66, 104}, cover: 0.0, clouds: 0.85, drift: 3,
		haze: rgb{246, 160, 112},
		land: [len(ranges)][2]rgb{
			{{196, 116, 104}, {96, 66, 100}}, {{150, 84, 80}, {58, 46, 80}}, {{84, 54, 56}, {32, 28, 48}}, {{34, 26, 28}, {14, 13, 22}},
		},
		snow: 0.55, water: rgb{38, 40, 70}, clarity: 0.86, glitter: rgb{255, 196, 120},
		bank: rgb{10, 9, 13}, bankLit: rgb{66, 42, 30}, needles: rgb{8, 8, 13}, needlesLit: rgb{52, 32, 26},
		grain: 3.2, contrast: 1.05, saturation: 1.05,
	},
	Noon: {
		sky: ramp{
			{0, rgb{206, 226, 240}}, {0.12, rgb{170, 207, 236}}, {0.35, rgb{98, 162, 220}}, {0.62, rgb{40, 104, 184}},
		},
		light: [2]float32{0.2, 0.8}, glow: rgb{70, 66, 52}, core: rgb{255, 255, 250}, glowSize: 0.35,
		cloud: rgb{255, 255, 254}, cloudShade: rgb{162, 180, 204}, cover: -0.02, clouds: 0.97, drift: 9,
		haze: rgb{176, 204, 232},
		land: [len(ranges)][2]rgb{
			{{150, 146, 148}, {72, 82, 106}}, {{122, 126, 104}, {52, 66, 74}}, {{92, 118, 62}, {34, 56, 40}}, {{58, 92, 40}, {20, 40, 24}},
		},
		snow: 1, water: rgb{24, 84, 104}, clarity: 0.72, glitter: rgb{210, 236, 250},
		bank: rgb{38, 54, 22}, bankLit: rgb{142, 158, 70}, needles: rgb{12, 28, 16}, needlesLit: rgb{74, 108, 46},
		grain: 2.4, contrast: 1.04, saturation: 1.06,
	},
	Night: {
		sky: ramp{
			{0, rgb{64, 92, 128}}, {0.12, rgb{44, 66, 108}}, {0.32, rgb{22, 38, 78}}, {0.62, rgb{8, 14, 38}},
		},
		light: [2]float32{1.12, 0.4}, glow: rgb{58, 66, 78}, core: rgb{250, 246, 230}, glowSize: 0.15,
		cloud: rgb{92, 112, 148}, cloudShade: rgb{22, 32, 58}, cover: -0.06, clouds: 0.6, drift: 5,
		haze: rgb{58, 82, 116},
		land: [len(ranges)][2]rgb{
			{{92, 108, 138}, {28, 40, 70}}, {{56, 70, 98}, {18, 28, 52}}, {{28, 38, 58}, {10, 16, 32}}, {{12, 17, 28}, {5, 8, 16}},
		},
		snow: 0.9, water: rgb{8, 16, 36}, clarity: 0.84, glitter: rgb{214, 220, 224},
		bank: rgb{4, 6, 11}, bankLit: rgb{34, 44, 58}, needles: rgb{3, 5, 9}, needlesLit: rgb{22, 30, 42},
		stars: 1, grain: 4, moon: 0.026, contrast: 1.06, saturation: 1,
	},
}

// raise computes the crests.
func (s *scene) raise() {
	for i, r := range ranges {
		crest := make([]float32, s.w)
		for x := range crest {
			u := float32(x) * s.unit
			high := s.noise.ridged(u*r.density+float32(i)*37, float32(i)*9.7, 7)
			// A slow swell makes the heights of the crests differ.
			swell := 0.62 + 0.55*s.noise.at(u*1.1+float32(i)*5.3, 71)
			v := r.foot + r.height*high*high*swell*1.25
			if i == len(ranges)-1 {
				v = r.foot + s.treeline(u)
			}
			crest[x] = (horizon - v) * float32(s.h)
		}
		s.ridges[i] = crest
	}
}

// treeline returns the height of the wood on the far shore, conifers side by side.
func (s *scene) treeline(u float32) float32 {
	var top float32
	const apart = 0.0048
	first := int(u/apart) - 3
	for i := range 7 {
		n := uint32(first + i + 1000)
		middle := (float32(first+i) + hash(n, 1, s.seed)) * apart
		tall := 0.011 + 0.017*hash(n, 2, s.seed) + 0.012*max(s.noise.at(middle*7, 3), 0)
		top = max(top, tall*(1-abs(u-middle)/(0.0035+0.2*tall)))
	}
	return top + 0.012*max(s.noise.fractal(u*4, 55, 3), -0.4)
}

// paintLand paints the sky and the mountains.
func (s *scene) paintLand() {
	sky := s.skyGrid()
	cols := s.w/skyStep + 2
	for y := range s.shore {
		gy, fy := y/skyStep, float32(y%skyStep)/skyStep
		above, below := sky[gy*cols:], sky[(gy+1)*cols:]
		row := s.out.Pix[y*s.out.Stride:]
		v := float32(y) * s.unit
		for x := range s.w {
			// Ranges that are hidden behind a nearer one aren't painted.
			first := -1
			for i := len(ranges) - 1; i >= 0; i-- {
				if float32(y) >= s.ridges[i][x]+0.5 {
					first = i
					break
				}
			}
			var c rgb
			if first < 0 {
				gx, fx := x/skyStep, float32(x%skyStep)/skyStep
				c = above[gx].mix(above[gx+1], fx).mix(below[gx].mix(below[gx+1], fx), fy)
				if s.stars > 0 {
					c = s.nightSky(c, x, y)
				}
			} else {
				c = s.landAt(first, x, v)
			}
			for i := first + 1; i < len(ranges); i++ {
				if cover := float32(y) + 0.5 - s.ridges[i][x]; cover > 0 {
					c = c.mix(s.landAt(i, x, v), clamp(cover))
				}
			}
			c.put(row[4*x:])
		}
	}
}

// skyGrid computes the sky at every skyStep-th pixel, which is enough for smooth colours.
func (s *scene) skyGrid() []rgb {
	cols, rows := s.w/skyStep+2, s.shore/skyStep+2
	grid := make([]rgb, cols*rows)
	for gy := range rows {
		up := horizon - float32(gy*skyStep)*s.unit
		base := s.sky.colour(up)
		for gx := range cols {
			u := float32(gx*skyStep) * s.unit
			grid[gy*cols+gx] = s.skyAt(base, u, up)
		}
	}
	return grid
}

func (s *scene) skyAt(c rgb, u, up float32) rgb {
	dx, dy := u-s.light[0], up-s.light[1]
	far := sqrt(dx*dx + dy*dy)
	glow := exp(-far/s.glowSize)*0.75 + exp(-far/(s.glowSize*0.22))*0.6
	c = c.add(s.glow, glow)

	// The clouds are a plane that is seen from below, so they are denser towards the horizon.
	depth := 1 / (max(up, 0) + 0.16)
	cx, cy := (u-0.75)*depth*0.95+s.drift, depth*1.9
	density := s.noise.fractal(cx, cy, 6) + s.cover
	if cover := smooth(-0.02, 0.26, density) * s.clouds * smooth(0.02, 0.12, up); cover > 0 {
		toLight := s.noise.fractal(cx+dx*-0.28, cy-0.12, 4) + s.cover
		lit := clamp(0.78 + 1.8*(density-toLight) - 0.55*smooth(0.16, 0.5, density))
		c = c.mix(s.cloudShade.mix(s.cloud, lit).add(s.glow, glow*0.5), cover)
	}
	if s.moon == 0 {
		c = c.mix(s.core, smooth(0.05, 0.012, far))
	}
	return c
}

// nightSky adds stars and the moon, which are too sharp for the grid.
func (s *scene) nightSky(c rgb, x, y int) rgb {
	u, v := float32(x)*s.unit, float32(y)*s.unit
	dx, dy := u-s.light[0], horizon-v-s.light[1]
	if far := sqrt(dx*dx + dy*dy); far < s.moon+s.unit {
		face := s.core.times(0.93 + 0.3*s.noise.fractal(u*60, v*60, 4))
		return c.mix(face, clamp((s.moon-far)/s.unit+0.5))
	}
	return s.starlight(c, u, v)
}

// starlight adds at most one star to each small square of the sky.
func (s *scene) starlight(c rgb, u, v float32) rgb {
	const square = 0.0105
	sx, sy := uint32(u/square), uint32(v/square)
	if hash(sx, sy, 7) > 0.24 {
		return c
	}
	dx := (u/square - float32(sx)) - 0.2 - 0.6*hash(sx, sy, 8)
	dy := (v/square - float32(sy)) - 0.2 - 0.6*hash(sx, sy, 9)
	bright := hash(sx, sy, 10)
	bright *= bright * bright
	size := 0.05 + 0.08*bright
	near := (dx*dx + dy*dy) / (size * size)
	if near > 8 {
		return c
	}
	veil := smooth(130, 70, c.b) * smooth(0.56, 0.3, v) // clouds and haze
	light := exp(-near) * (0.2 + 0.8*bright) * s.stars * veil
	return c.add(rgb{235, 238, 255}.mix(rgb{255, 226, 190}, hash(sx, sy, 11)), light)
}

// landAt returns the colour of range i in column x and at height v.
func (s *scene) landAt(i, x int, v float32) rgb {
	r := ranges[i]
	u := float32(x) * s.unit
	below := v - s.ridges[i][x]*s.unit // the crest
	if i == len(ranges)-1 {
		lit := 0.35 + 1.3*s.noise.fractal(u*330, v*240, 3) - below*16
		return s.land[i][1].mix(s.land[i][0], clamp(lit)).mix(s.haze, r.haze)
	}
	scale := 7 * r.density
	ru, rv := u*scale+below*scale*0.22, v*scale*1.05+float32(i)*13
	here := s.noise.ridged(ru, rv, 5)
	side := s.noise.ridged(ru+0.11, rv-0.04, 4)
	slope := 0.45 + 3.2*(here-side)*sign(s.light[0]-u) + 0.5*(here-0.55)
	c := s.land[i][1].mix(s.land[i][0], clamp(slope))
	if i == 2 { // wooded
		c = c.times(0.8 + 0.62*s.noise.fractal(u*170, v*330, 4))
	}
	if s.snow > 0 && i < 2 {
		high := (horizon - v) + 0.12*(here-0.5) - 0.05*float32(i)
		c = c.mix(s.cloudShade.mix(s.cloud, clamp(slope*1.1)), s.snow*smooth(0.15, 0.22, high)*0.95)
	}
	mist := r.haze + 0.5*smooth(0.14, 0.0, horizon-v)*r.haze + 0.12*below
	return c.mix(s.haze, clamp(mist))
}

func sign(x float32) float32 {
	// A step would be visible at the position of the light.
	return min(max(x*3, -1), 1)
}

// paintLake mirrors the picture above the shore, with ripples.
func (s *scene) paintLake() {
	for y := s.shore; y < s.h; y++ {
		d := float32(y-s.shore) * s.unit
		row := s.out.Pix[y*s.out.Stride:]
		// All ripples have the same size on the water, so near ones look larger.
		depth := 1 / (d + 0.02)
		across := depth * 0.55
		away := depth * 1.9
		sway := (0.004 + 0.05*d) * float32(s.h)
		fresnel := s.clarity * (1 - 0.75*d)
		shimmer := 0.02 + 0.3*d
		for x := range s.w {
			u := float32(x) * s.unit
			ripple := s.noise.at((u-0.75)*across*9, away*7)
			fine := s.noise.at((u-0.75)*across*31+7, away*23)
			wave := 0.7*ripple + 0.3*fine
			c := s.mirror(x+int(wave*sway*0.35), float32(y)+wave*sway)
			c = s.water.mix(c, fresnel)
			c = c.times(1 + 0.09*wave)
			if off := (u - s.light[0]) / shimmer; wave > 0.1 && off*off < 5 {
				c = c.add(s.glitter, 0.55*smooth(0.1, 0.7, wave)*exp(-off*off))
			}
			c.put(row[4*x:])
		}
	}
}

// mirror returns the colour of the mirror image at a point below the shore.
func (s *scene) mirror(x int, y float32) rgb {
	x = min(max(x, 0), s.w-1)
	top := max(2*float32(s.shore)-1-y, 0)
	y0 := min(int(top), s.shore-1)
	if y0 < 0 {
		return s.water
	}
	y1 := min(y0+1, s.shore-1)
	return s.at(x, y0).mix(s.at(x, y1), top-floor(top))
}

func (s *scene) at(x, y int) rgb {
	p := s.out.Pix[y*s.out.Stride+4*x:]
	return rgb{float32(p[0]), float32(p[1]), float32(p[2])}
}

// bankTop returns the distance of the near bank from the top of the picture.
func (s *scene) bankTop(u float32) float32 {
	wide := float32(s.w) * s.unit
	side := smooth(0.42, 0, u)*0.105 + smooth(wide-0.34, wide, u)*0.06
	return 0.975 - side - 0.022*s.noise.fractal(u*5, 21, 5)
}

// paintBank paints the grass on the near bank.
func (s *scene) paintBank() {
	for x := range s.w {
		u := float32(x) * s.unit
		ground := s.bankTop(u)
		blades := 0.004 + 0.02*hash(uint32(u*700), 31, s.seed)*(0.5+0.5*s.noise.at(u*24, 5))
		top := ground - blades
		for y := max(int(top*float32(s.h)), 0); y < s.h; y++ {
			v := float32(y) * s.unit
			tuft := s.noise.at(u*330+v*60, v*90)*0.6 + 0.5*s.noise.at(u*44, v*70)
			c := s.bank.mix(s.bankLit, clamp(0.3+0.55*tuft-(v-top)*4))
			i := y*s.out.Stride + 4*x
			cover := clamp((v - top) / s.unit)
			s.at(x, y).mix(c, cover).put(s.out.Pix[i:])
		}
	}
}

// paintTrees paints conifers on the near bank. They frame the view.
func (s *scene) paintTrees() {
	r := rand.New(rand.NewPCG(uint64(s.seed), 77))
	wide := float32(s.w) * s.unit
	for _, tree := range [...]struct{ u, tall float32 }{
		{0.035, 0.5}, {0.275, 0.3}, {0.19, 0.44}, {0.105, 0.66},
		{wide - 0.2, 0.2}, {wide - 0.13, 0.34}, {wide - 0.045, 0.27},
	} {
		s.paintTree(tree.u+0.02*(r.Float32()-0.5), tree.tall*(0.92+0.16*r.Float32()), r.Uint32())
	}
}

func (s *scene) paintTree(u, tall float32, seed uint32) {
	foot := s.bankTop(u) + 0.012
	top, wide := foot-tall, tall*0.17
	tiers := 12 + tall*44
	for y := max(int(top*float32(s.h)), 0); y < min(int(foot*float32(s.h)), s.h); y++ {
		v := float32(y) * s.unit
		t := (v - top) / tall
		tier := t * tiers
		n := uint32(tier)
		drop := tier - float32(n) // 0 at a tier's top
		for x := max(int((u-wide*1.3)*float32(s.h)), 0); x < min(int((u+wide*1.3)*float32(s.h)), s.w); x++ {
			dx := float32(x)*s.unit - u
			side := uint32(0)
			if dx < 0 {
				side = 1
			}
			reach := wide * (0.08*t + 0.95*t*(0.42+0.58*drop)) * (0.7 + 0.5*hash(n, side, seed))
			if t > 0.955-0.1*hash(uint32(x/3), side, seed)*hash(uint32(x), 9, seed) {
				reach = 0 // the trunk stands free
			}
			trunk := tall * 0.005 * (0.3 + t)
			if abs(dx) > max(reach*1.25, trunk)+s.unit {
				continue
			}
			px := float32(x) * s.unit
			if fine := s.noise.fractal(px*300+v*180*sign((u-px)*90), v*330, 4); reach > trunk {
				reach *= 0.9 + 0.62*fine
			}
			edge := max(reach, trunk) - abs(dx)
			cover := clamp(edge/s.unit + 0.5)
			if cover == 0 {
				continue
			}
			lit := 0.5*drop - 0.35 + 1.1*s.noise.fractal(px*420+9, v*560, 3) + 0.35*sign((s.light[0]-u))*dx/(wide*t+0.001)
			c := s.needles.mix(s.needlesLit, clamp(lit))
			s.at(x, y).mix(c, cover).put(s.out.Pix[y*s.out.Stride+4*x:])
		}
	}
}

// develop darkens the corners and adds the grain of film.
func (s *scene) develop() {
	wide := float32(s.w) * s.unit
	for y := range s.h {
		dy := float32(y)*s.unit - 0.5
		row := s.out.Pix[y*s.out.Stride:]
		for x := range s.w {
			dx := (float32(x)*s.unit - wide/2) / wide
			p := row[4*x : 4*x+4]
			c := rgb{float32(p[0]), float32(p[1]), float32(p[2])}
			grey := 0.3*c.r + 0.59*c.g + 0.11*c.b
			c = rgb{grey, grey, grey}.mix(c, s.saturation)
			shade := s.contrast * (1 - 0.42*(dx*dx+dy*dy*0.6))
			grain := s.grain * (hash(uint32(x), uint32(y), 3) + hash(uint32(x), uint32(y), 4) - 1)
			rgb{c.r*shade + grain, c.g*shade + grain, c.b*shade + grain}.put(p)
		}
	}
}
