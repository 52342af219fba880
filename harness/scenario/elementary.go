package scenario

import "math"

// What follows are the elementary functions that drawing needs, to the bit the
// same on every platform.
//
// Those of package math aren't: some are assembly on some processors, and where
// they are Go a compiler may fuse a product and a sum into one rounding. An
// explicit conversion forbids that (Go specification, "Floating-point
// operators"), so each product here is wrapped in one. Quotients and square
// roots need none: IEEE 754 has them rounded right, and nothing is fused with
// them.

// ln is the natural logarithm of x, for normal x > 0, to within 10⁻¹⁵ of its
// value. The algorithm and its coefficients are those of FreeBSD's e_log.c (Sun
// Microsystems, 1993): x = 2ᵏ(1+f) with √½ ≤ 1+f < √2, and
// ln(1+f) = 2s + s·R(s²) with s = f/(2+f).
func ln(x float64) float64 {
	const (
		l1 = 6.666666666666735130e-01
		l2 = 3.999999999940941908e-01
		l3 = 2.857142874366239149e-01
		l4 = 2.222219843214978396e-01
		l5 = 1.818357216161805012e-01
		l6 = 1.531383769920937332e-01
		l7 = 1.479819860511658591e-01
	)
	b := math.Float64bits(x)
	exponent := int(b>>52) - 1023
	fraction := math.Float64frombits(b&(1<<52-1) | 1023<<52) // in [1, 2)
	if fraction >= math.Sqrt2 {
		fraction /= 2
		exponent++
	}
	f, k := fraction-1, float64(exponent)

	s := f / (2 + f)
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	t1 := float64(s2 * (l1 + float64(s4*(l3+float64(s4*(l5+float64(s4*l7)))))))
	t2 := float64(s4 * (l2 + float64(s4*(l4+float64(s4*l6)))))
	r := t1 + t2
	half := float64(float64(0.5*f) * f)
	return float64(k*ln2Hi) - ((half - (float64(s*(half+r)) + float64(k*ln2Lo))) - f)
}

// ln2Hi has so few bits that its product with a whole exponent is exact;
// ln2Hi + ln2Lo is ln 2 to twice the precision of a float.
const (
	ln2Hi = 6.93147180369123816490e-01
	ln2Lo = 1.90821492927058770002e-10
)

// exp is eˣ for x from −700 to 700, to within 10⁻¹⁵ of its value. The
// algorithm and its coefficients are those of FreeBSD's e_exp.c (Sun
// Microsystems, 1993): x = k·ln 2 + r with |r| ≤ ½ ln 2, and
// eʳ = 1 + r + r·c/(2−c) with c = r − R(r²).
func exp(x float64) float64 {
	const (
		log2e = 1.44269504088896338700e+00
		p1    = 1.66666666666666657415e-01
		p2    = -2.77777777770155933842e-03
		p3    = 6.61375632143793436117e-05
		p4    = -1.65339022054652515390e-06
		p5    = 4.13813679705723846039e-08
	)
	k := int(float64(log2e*x) + math.Copysign(0.5, x))
	hi := x - float64(float64(k)*ln2Hi)
	lo := float64(float64(k) * ln2Lo)
	r := hi - lo
	t := float64(r * r)
	c := r - float64(t*(p1+float64(t*(p2+float64(t*(p3+float64(t*(p4+float64(t*p5)))))))))
	y := 1 - ((lo - float64(r*c)/(2-c)) - hi)
	return float64(y * math.Float64frombits(uint64(k+1023)<<52)) // times 2ᵏ, which is exact
}

// normalQuantile is the value below which a standard normal variable lies with
// probability p, for p from 2⁻⁵³ to 1−2⁻⁵³, to within 10⁻¹⁵ of its size: Wichura,
// Algorithm AS 241: The Percentage Points of the Normal Distribution, Applied
// Statistics 37 (1988), PPND16.
func normalQuantile(p float64) float64 {
	q := p - 0.5
	if math.Abs(q) <= 0.425 {
		r := 0.180625 - float64(q*q)
		return float64(q*polynomial(r, &centreOver)) / polynomial(r, &centreUnder)
	}
	r := math.Sqrt(-ln(min(p, 1-p)))
	var z float64
	if r <= 5 {
		r -= 1.6
		z = polynomial(r, &tailOver) / polynomial(r, &tailUnder)
	} else {
		r -= 5
		z = polynomial(r, &farOver) / polynomial(r, &farUnder)
	}
	return math.Copysign(z, q)
}

// polynomial is c₀ + c₁x + … + c₇x⁷, by Horner's rule.
func polynomial(x float64, c *[8]float64) float64 {
	y := c[7]
	for i := 6; i >= 0; i-- {
		y = float64(y*x) + c[i]
	}
	return y
}

// The coefficients of AS 241: numerators and denominators near the centre, in
// the tails, and beyond e⁻²⁵ of them.
var (
	centreOver = [8]float64{
		3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
		4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
	}
	centreUnder = [8]float64{
		1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
		2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3,
	}
	tailOver = [8]float64{
		1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
		1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
	}
	tailUnder = [8]float64{
		1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
		1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
	}
	farOver = [8]float64{
		6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
		2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
	}
	farUnder = [8]float64{
		1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
		7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15,
	}
)
